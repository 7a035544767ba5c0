//! Functions of float32 for generated kernels, written so that the compiler makes vectors of them, and of whole numbers.
//!
//! Within 2 units in the last place, unless a line says otherwise. NaN, infinities and zeros are those of IEEE 754.
//!
//! Sources: Cephes (Moshier) for `exp`, `log` and `tanh`; N. Juffa for `erf`; Giles 2012 for `erfinv`.
//!
//! Tests: unit tests below.

#![allow(clippy::excessive_precision)] // coefficients as they are published

/// 1.5 * 2^23: adding it rounds to a whole number, which is then in the low bits of the sum.
const ROUNDS: f32 = 12_582_912.0;

/// e^x: n added to the exponent of the reduced argument in two steps, so that results below the normal numbers and infinity
/// come out right.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let (p, n) = reduced(x);
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// e^x as `p * 2^n`, where n = round(x / ln 2) and p is a polynomial for e^(x - n ln 2).
#[inline(always)]
fn reduced(x: f32) -> (f32, i32) {
    let shifted = x * std::f32::consts::LOG2_E + ROUNDS;
    let n = shifted - ROUNDS;
    let f = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p = f * 1.987_569_1e-4 + 1.398_199_9e-3;
    let p = p * f + 8.333_452e-3;
    let p = p * f + 4.166_579_6e-2;
    let p = p * f + 1.666_666_5e-1;
    let p = p * f + 5e-1;
    let p = p * f * f + f + 1.0;
    (
        p,
        (shifted.to_bits() as i32).wrapping_sub(ROUNDS.to_bits() as i32),
    )
}

/// 2^n of a small n. NaN has any other n here, and times any number it stays NaN.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// e^x - 1, also near 0 (Kahan).
#[inline(always)]
pub fn expm1(x: f32) -> f32 {
    let u = exp(x);
    let rest = u - 1.0;
    let y = rest * (x / log(u));
    let y = if rest == -1.0 { -1.0 } else { y };
    let y = if u == f32::INFINITY { u } else { y };
    if u == 1.0 {
        x
    } else {
        y
    }
}

/// The natural logarithm.
#[inline(always)]
pub fn log(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits();
    // The mantissa between sqrt(1/2) and sqrt(2).
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let e = (shifted as i32) >> 23;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    let e = e as f32 - if tiny { 23.0 } else { 0.0 };
    let f = m - 1.0;
    let z = f * f;
    let p = f * 7.037_683_6e-2 - 1.151_461e-1;
    let p = p * f + 1.167_699_9e-1;
    let p = p * f - 1.242_014_1e-1;
    let p = p * f + 1.424_932_3e-1;
    let p = p * f - 1.666_805_8e-1;
    let p = p * f + 2.000_071_5e-1;
    let p = p * f - 2.499_999_4e-1;
    let p = p * f + 3.333_333_1e-1;
    let y = p * f * z + e * -2.121_944_4e-4 - 0.5 * z;
    let y = f + y + e * 0.693_359_4;
    let y = if x < 0.0 { f32::NAN } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    // Infinity and NaN stay.
    if x < f32::INFINITY {
        y
    } else {
        x
    }
}

/// The logarithm to base 2; exact for powers of two.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    x.log2()
}

/// The logarithm to base 10.
#[inline(always)]
pub fn log10(x: f32) -> f32 {
    x.log10()
}

/// log(1 + x), also near 0 (Kahan).
#[inline(always)]
pub fn log1p(x: f32) -> f32 {
    let u = 1.0 + x;
    let rest = u - 1.0;
    let y = log(u) * (x / rest);
    let y = if u == f32::INFINITY || u <= 0.0 {
        log(u)
    } else {
        y
    };
    if rest == 0.0 {
        x
    } else {
        y
    }
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let p = z * -5.704_988_7e-3 + 2.063_908_9e-2;
    let p = p * z - 5.373_971_6e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let near = p * z * x + x;
    let far = (1.0 - 2.0 / (exp(2.0 * a) + 1.0)).copysign(x);
    if a < 0.625 {
        near
    } else {
        far
    }
}

/// `1 / (1 + e^-x)`. Below -88.4 it is 0, as for MLX, so that one step is enough for the exponent.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let x = if x < -89.0 { -89.0 } else { x };
    let x = if x > 87.0 { 87.0 } else { x };
    let (p, n) = reduced(-x);
    1.0 / (1.0 + p * power_of_two(n))
}

/// The error function.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let t = x.abs();
    let s = x * x;
    let r = -1.728_534_7e-5 * t + 3.831_972e-4;
    let u = -3.883_964_4e-3 * t + 2.425_462_2e-2;
    let r = r * s + u;
    let r = r * t + -1.067_778_8e-1;
    let r = r * t + -6.348_468_7e-1;
    let r = r * t + -1.287_175_1e-1;
    let r = r * t + -t;
    let far = (1.0 - exp(r)).copysign(x);
    let p = -5.967_617e-4 * s + 4.991_194_2e-3;
    let p = p * s + -2.676_813_5e-2;
    let p = p * s + 1.128_199_3e-1;
    let p = p * s + -3.761_253_4e-1;
    let p = p * s + 1.283_791_7e-1;
    let near = p * x + x;
    if t > 0.927_734_4 {
        far
    } else {
        near
    }
}

/// The inverse of the error function, within some 10 units in the last place.
#[inline(always)]
pub fn erfinv(x: f32) -> f32 {
    let w = -log((1.0 - x) * (1.0 + x));
    let v = w - 2.5;
    let p = 2.810_226_4e-8 * v + 3.432_739_4e-7;
    let p = p * v + -3.523_387_7e-6;
    let p = p * v + -4.391_506_5e-6;
    let p = p * v + 2.185_808_7e-4;
    let p = p * v + -1.253_725e-3;
    let p = p * v + -4.177_681_6e-3;
    let p = p * v + 2.466_407_3e-1;
    let near = p * v + 1.501_409_4;
    let v = w.sqrt() - 3.0;
    let p = -2.002_142_6e-4 * v + 1.009_505_6e-4;
    let p = p * v + 1.349_343_2e-3;
    let p = p * v + -3.673_428_4e-3;
    let p = p * v + 5.739_507_7e-3;
    let p = p * v + -7.622_461_3e-3;
    let p = p * v + 9.438_87e-3;
    let p = p * v + 1.001_674_1;
    let far = p * v + 2.832_976_8;
    let y = if w < 5.0 { near } else { far } * x;
    if x.abs() == 1.0 {
        f32::INFINITY.copysign(x)
    } else {
        y
    }
}

/// -1, 0 or 1; 0 for NaN.
#[inline(always)]
pub fn sign(x: f32) -> f32 {
    f32::from(u8::from(x > 0.0)) - f32::from(u8::from(x < 0.0))
}

macro_rules! of_the_standard_library {
    ($($name:ident = $std:ident;)*) => {$(
        #[doc = concat!("`f32::", stringify!($std), "`.")]
        #[inline(always)]
        pub fn $name(x: f32) -> f32 {
            x.$std()
        }
    )*};
}

of_the_standard_library! {
    sin = sin;
    cos = cos;
    tan = tan;
    sinh = sinh;
    cosh = cosh;
    arcsin = asin;
    arccos = acos;
    arctan = atan;
    arcsinh = asinh;
    arccosh = acosh;
    arctanh = atanh;
}

/// The larger one; NaN if either is NaN.
#[inline(always)]
pub fn maximum_f32(a: f32, b: f32) -> f32 {
    let larger = if a > b { a } else { b };
    if a.is_nan() {
        a
    } else {
        larger
    }
}

/// The smaller one; NaN if either is NaN.
#[inline(always)]
pub fn minimum_f32(a: f32, b: f32) -> f32 {
    let smaller = if a < b { a } else { b };
    if a.is_nan() {
        a
    } else {
        smaller
    }
}

/// The remainder of `a` divided by `b`, with the sign of `b`.
#[inline(always)]
pub fn remainder_f32(a: f32, b: f32) -> f32 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}

/// `a` to the power of `b`.
#[inline(always)]
pub fn power_f32(a: f32, b: f32) -> f32 {
    a.powf(b)
}

/// The angle of the point `(b, a)`.
#[inline(always)]
pub fn arctan2_f32(a: f32, b: f32) -> f32 {
    a.atan2(b)
}

/// `log(e^a + e^b)`.
#[inline(always)]
pub fn logaddexp_f32(a: f32, b: f32) -> f32 {
    let (high, low) = (maximum_f32(a, b), minimum_f32(a, b));
    let y = high + log1p(exp(low - high));
    if high.is_infinite() || low == f32::NEG_INFINITY {
        high
    } else {
        y
    }
}

macro_rules! of_whole_numbers {
    ($($ty:ident: $divide:ident, $remainder:ident, $power:ident;)*) => {$(
        /// The quotient, cut towards 0; 0 where the divisor is 0.
        #[inline(always)]
        pub fn $divide(a: $ty, b: $ty) -> $ty {
            if b == 0 { 0 } else { a.wrapping_div(b) }
        }

        /// The remainder, with the sign of the divisor; 0 where the divisor is 0.
        #[inline(always)]
        #[allow(unused_comparisons)] // unsigned numbers have no sign
        pub fn $remainder(a: $ty, b: $ty) -> $ty {
            if b == 0 {
                return 0;
            }
            let r = a.wrapping_rem(b);
            if r != 0 && (r < 0) != (b < 0) { r.wrapping_add(b) } else { r }
        }

        /// `a` to the power of `b` by squaring, wrapping; of a negative `b`, 0.
        #[inline(always)]
        #[allow(unused_comparisons)]
        pub fn $power(a: $ty, b: $ty) -> $ty {
            let (mut base, mut left, mut out) = (a, b, 1 as $ty);
            if b < 0 {
                return 0;
            }
            while left > 0 {
                if left & 1 == 1 {
                    out = out.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                left >>= 1;
            }
            out
        }
    )*};
}

of_whole_numbers! {
    i32: floor_divide_i32, remainder_i32, power_i32;
    u32: floor_divide_u32, remainder_u32, power_u32;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of `f` in units in the last place of the result, over numbers of every size up to `limit`.
    fn error(f: fn(f32) -> f32, exact: fn(f64) -> f64, limit: f32) -> f64 {
        let mut most = 0.0f64;
        for bits in (0..limit.to_bits()).step_by(4999) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let (y, want) = (f(x), exact(f64::from(x)));
                if want.is_nan() || (want as f32).is_infinite() {
                    assert!(
                        y.is_nan() == want.is_nan() && (y.is_nan() || y == want as f32),
                        "{x}: {y}, {want}"
                    );
                    continue;
                }
                let rounded = want as f32;
                let unit = f64::from(f32::from_bits(rounded.abs().to_bits() + 1))
                    - f64::from(rounded.abs());
                most = most.max((f64::from(y) - want).abs() / unit);
            }
        }
        most
    }

    #[test]
    fn functions_are_close_to_exact_ones() {
        /// Name, function, the exact one, the largest argument, and units in the last place.
        type Function = (&'static str, fn(f32) -> f32, fn(f64) -> f64, f32, f64);
        let all: &[Function] = &[
            ("exp", exp, f64::exp, f32::MAX, 2.0),
            ("expm1", expm1, f64::exp_m1, f32::MAX, 4.0),
            ("log", log, f64::ln, f32::MAX, 2.0),
            ("log1p", log1p, f64::ln_1p, f32::MAX, 3.0),
            ("tanh", tanh, f64::tanh, f32::MAX, 2.5),
            ("sigmoid", sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 80.0, 3.0),
        ];
        for (name, f, exact, limit, most) in all {
            let found = error(*f, *exact, *limit);
            assert!(found <= *most, "{name}: {found} units in the last place");
        }
    }

    /// Abramowitz and Stegun, table 7.1.
    #[test]
    fn the_error_function_and_its_inverse_have_known_values() {
        let known = [
            (0.1, 0.112_462_916),
            (0.5, 0.520_499_88),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
        ];
        for (x, y) in known {
            assert!((erf(x) - y).abs() <= 2e-7 && erf(-x) == -erf(x), "{x}");
            assert!(
                (erfinv(erf(x)) - x).abs() <= 2e-5,
                "{x}: {}",
                erfinv(erf(x))
            );
        }
        assert_eq!(
            [erf(f32::INFINITY), erfinv(1.0), erfinv(-1.0)],
            [1.0, f32::INFINITY, f32::NEG_INFINITY]
        );
        assert!(erf(f32::NAN).is_nan() && erfinv(1.5).is_nan());
    }

    #[test]
    fn corners_are_those_of_ieee_754() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        assert_eq!(
            [
                exp(inf),
                exp(-inf),
                log(inf),
                log(0.0),
                tanh(inf),
                tanh(-inf)
            ],
            [inf, 0.0, inf, -inf, 1.0, -1.0]
        );
        assert_eq!(
            [expm1(inf), expm1(-inf), log1p(inf), log1p(-1.0)],
            [inf, -1.0, inf, -inf]
        );
        assert_eq!([sigmoid(inf), sigmoid(-inf)], [1.0, 0.0]);
        for f in [exp, expm1, log, log1p, tanh, sigmoid] {
            assert!(f(nan).is_nan());
        }
        // As MLX's.
        assert_eq!(sign(nan), 0.0);
        assert!(log(-1.0).is_nan() && log1p(-2.0).is_nan());
        assert!(maximum_f32(nan, 1.0).is_nan() && minimum_f32(1.0, nan).is_nan());
        assert_eq!(logaddexp_f32(-inf, -inf), -inf);
        assert_eq!(
            [remainder_f32(-1.0, 3.0), remainder_f32(1.0, -3.0)],
            [2.0, -2.0]
        );
        assert_eq!(
            [
                remainder_i32(-1, 3),
                remainder_i32(1, 0),
                floor_divide_i32(i32::MIN, -1)
            ],
            [2, 0, i32::MIN]
        );
    }
}
