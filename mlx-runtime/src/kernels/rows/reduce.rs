//! Reductions of a row for generated kernels.
//!
//! A sum has 16 parts whatever the width of a vector: part `i` has the elements `i`, `i + 16`, .. It adds 16 of them in
//! float32 and goes on in float64, as `mlx-sys/native/fused/mlx_rs_kernels.h` states it. So its bits do not hang on the
//! processor.
//!
//! Tests: unit tests below.

/// The parts of a sum.
pub const LANES: usize = 16;
/// The terms of a part that are added in float32.
pub const TERMS: usize = 16;
const PARTS: usize = LANES;

/// The values of all lanes.
#[inline(always)]
pub fn lanes<T>(value: impl FnMut(usize) -> T) -> [T; LANES] {
    std::array::from_fn(value)
}

/// Numbers that lie in one line of a cache: a vector of them is stored and read at once.
#[repr(align(64))]
struct Line([f32; LANES]);

/// A sum, part by part.
#[derive(Default)]
#[repr(align(64))]
pub struct Sum {
    parts: [f64; LANES],
}

impl Sum {
    /// Adds the sums of at most [`TERMS`] terms of each part.
    #[inline(always)]
    pub fn add(&mut self, terms: [f32; LANES]) {
        // In memory in between, or the compiler pairs the numbers as float64 needs them, also in the loop that added them.
        let Line(terms) = std::hint::black_box(Line(terms));
        for (t, p) in self.parts.iter_mut().zip(terms) {
            *t += f64::from(p);
        }
    }

    /// Adds a term to part `i`.
    #[inline(always)]
    pub fn add_one(&mut self, i: usize, term: f32) {
        self.parts[i] += f64::from(term);
    }

    /// The sum of all parts.
    #[inline(always)]
    pub fn total(mut self) -> f32 {
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                self.parts[i] += self.parts[i + width];
            }
            width /= 2;
        }
        self.parts[0] as f32
    }
}

/// The sum of float32.
#[inline(always)]
pub fn sum_f32(x: &[f32]) -> f32 {
    let mut total = Sum::default();
    let (blocks, last) = x.as_chunks::<{ LANES * TERMS }>();
    for block in blocks {
        total.add(added(block.as_chunks().0));
    }
    let (terms, rest) = last.as_chunks();
    total.add(added(terms));
    for (i, rest) in rest.iter().enumerate() {
        total.add_one(i, *rest);
    }
    total.total()
}

#[inline(always)]
fn added(terms: &[[f32; LANES]]) -> [f32; LANES] {
    let mut part = [0f32; LANES];
    for term in terms {
        for (p, t) in part.iter_mut().zip(term) {
            *p += t;
        }
    }
    part
}

/// The product of float32, in parts as the sum.
#[inline(always)]
pub fn prod_f32(x: &[f32]) -> f32 {
    let mut part = [1f32; PARTS];
    let (chunks, rest) = x.as_chunks::<PARTS>();
    for term in chunks {
        for (p, t) in part.iter_mut().zip(term) {
            *p *= t;
        }
    }
    for (p, t) in part.iter_mut().zip(rest) {
        *p *= t;
    }
    let mut width = PARTS / 2;
    while width > 0 {
        for i in 0..width {
            part[i] *= part[i + width];
        }
        width /= 2;
    }
    part[0]
}

macro_rules! extremes {
    ($($(#[$doc:meta])* $name:ident: $ty:ident, $none:expr, $beats:tt, $nan:expr;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub fn $name(x: &[$ty]) -> $ty {
            let mut part = [$none; PARTS];
            // A NaN is larger and smaller than nothing: it is looked for on the way.
            let mut nan = [false; PARTS];
            let (chunks, rest) = x.as_chunks::<PARTS>();
            for term in chunks {
                for ((p, n), t) in part.iter_mut().zip(&mut nan).zip(term) {
                    *p = if *t $beats *p { *t } else { *p };
                    *n |= $nan(*t);
                }
            }
            for ((p, n), t) in part.iter_mut().zip(&mut nan).zip(rest) {
                *p = if *t $beats *p { *t } else { *p };
                *n |= $nan(*t);
            }
            if nan.contains(&true) {
                return x.iter().copied().find(|t| $nan(*t)).unwrap_or($none);
            }
            let mut best = $none;
            for p in part {
                best = if p $beats best { p } else { best };
            }
            best
        }
    )*};
}

#[inline(always)]
fn whole<T>(_: T) -> bool {
    false
}

extremes! {
    /// The largest, or NaN.
    max_f32: f32, f32::NEG_INFINITY, >, f32::is_nan;
    /// The smallest, or NaN.
    min_f32: f32, f32::INFINITY, <, f32::is_nan;
    /// The largest.
    max_i32: i32, i32::MIN, >, whole;
    /// The smallest.
    min_i32: i32, i32::MAX, <, whole;
    /// The largest.
    max_u32: u32, u32::MIN, >, whole;
    /// The smallest.
    min_u32: u32, u32::MAX, <, whole;
    /// The largest.
    max_bool: bool, false, >, whole;
    /// The smallest.
    min_bool: bool, true, <, whole;
}

macro_rules! wholes {
    ($($ty:ident: $sum:ident, $prod:ident;)*) => {$(
        /// The sum, which wraps.
        #[inline(always)]
        pub fn $sum(x: &[$ty]) -> $ty {
            x.iter().fold(0, |a, b| a.wrapping_add(*b))
        }

        /// The product, which wraps.
        #[inline(always)]
        pub fn $prod(x: &[$ty]) -> $ty {
            x.iter().fold(1, |a, b| a.wrapping_mul(*b))
        }
    )*};
}

wholes! {
    i32: sum_i32, prod_i32;
    u32: sum_u32, prod_u32;
}

macro_rules! places {
    ($($name:ident: $ty:ident, $beats:tt;)*) => {$(
        /// The first place of the extreme. NaN is never it, unless it comes first.
        #[inline(always)]
        pub fn $name(x: &[$ty]) -> u32 {
            let mut best = 0;
            for (i, t) in x.iter().enumerate() {
                if *t $beats x[best] {
                    best = i;
                }
            }
            best as u32
        }
    )*};
}

places! {
    argmax_f32: f32, >;
    argmin_f32: f32, <;
    argmax_i32: i32, >;
    argmin_i32: i32, <;
    argmax_u32: u32, >;
    argmin_u32: u32, <;
    argmax_bool: bool, >;
    argmin_bool: bool, <;
}

/// True if all are.
#[inline(always)]
pub fn all(x: &[bool]) -> bool {
    x.iter().all(|b| *b)
}

/// True if any is.
#[inline(always)]
pub fn any(x: &[bool]) -> bool {
    x.iter().any(|b| *b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_add_up() {
        for n in [0usize, 1, 15, 16, 17, 255, 256, 257, 1000] {
            let x: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 2.0).collect();
            let want: f32 = x.iter().sum();
            assert_eq!(sum_f32(&x), want, "{n}");
            let most = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max_f32(&x), most, "{n}");
        }
        assert_eq!(prod_f32(&[2.0; 19]), 524_288.0);
    }

    #[test]
    fn a_long_sum_keeps_small_terms() {
        let n = 1 << 24;
        let x = vec![0.1f32; n];
        let want = f64::from(0.1f32) * n as f64;
        assert!((f64::from(sum_f32(&x)) - want).abs() <= want * 1e-6);
    }

    #[test]
    fn nan_is_the_largest_and_the_smallest() {
        let mut x = vec![1f32; 40];
        x[33] = f32::NAN;
        assert!(max_f32(&x).is_nan() && min_f32(&x).is_nan() && sum_f32(&x).is_nan());
        assert_eq!(argmax_f32(&[1.0, f32::NAN, 3.0, 3.0]), 2);
    }
}
