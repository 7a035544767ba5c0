//! Elements of arrays as rows of float32, whole numbers and truth values, and back.
//!
//! Tests: `mlx-tests --test kernels`.

use super::super::half;
use crate::Dtype;

/// Reads `n` elements as float32.
///
/// # Safety
/// The elements from `from` on, at a distance of `step`, are inside of the array, and `own` has room for `n`.
#[inline(always)]
pub(super) unsafe fn read_floats(
    base: *const u8,
    dtype: Dtype,
    from: usize,
    step: usize,
    n: usize,
    own: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let halves = base.cast::<u16>();
        match dtype {
            Dtype::Float16 => converted(halves.add(from), step, n, own, half::of_float16),
            Dtype::Bfloat16 => converted(halves.add(from), step, n, own, half::of_bfloat16),
            _ => converted(base.cast::<f32>().add(from), step, n, own, |x| x),
        }
    }
}

/// # Safety
/// As [`read_floats`].
#[inline(always)]
pub(super) unsafe fn read_words(
    base: *const u32,
    from: usize,
    step: usize,
    n: usize,
    own: *mut u32,
) {
    // SAFETY: the caller's promise.
    unsafe { converted(base.add(from), step, n, own, |x| x) }
}

/// # Safety
/// As [`read_floats`].
#[inline(always)]
pub(super) unsafe fn read_truths(
    base: *const u8,
    from: usize,
    step: usize,
    n: usize,
    own: *mut bool,
) {
    // SAFETY: the caller's promise.
    unsafe { converted(base.add(from), step, n, own, |x| x != 0) }
}

/// # Safety
/// `first` leads to `n` elements at a distance of `step`, `own` to room for `n`. The two do not overlap.
#[inline(always)]
unsafe fn converted<S: Copy, T>(
    first: *const S,
    step: usize,
    n: usize,
    own: *mut T,
    f: impl Fn(S) -> T,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if step == 1 {
            let from = std::slice::from_raw_parts(first, n);
            let to = std::slice::from_raw_parts_mut(own, n);
            for (t, x) in to.iter_mut().zip(from) {
                *t = f(*x);
            }
        } else {
            for i in 0..n {
                own.add(i).write(f(*first.add(i * step)));
            }
        }
    }
}

/// Adds to as many elements.
///
/// # Safety
/// `to` leads to them, and nothing else refers to them.
#[inline(always)]
pub(super) unsafe fn add_floats(x: &[f32], to: *mut f32) {
    // SAFETY: the caller's promise.
    let sum = unsafe { std::slice::from_raw_parts_mut(to, x.len()) };
    for (s, x) in sum.iter_mut().zip(x) {
        *s += x;
    }
}

/// # Safety
/// The elements from `first` on at a distance of `step` are inside of the output.
#[inline(always)]
pub(super) unsafe fn store_floats(x: &[f32], to: *mut u8, dtype: Dtype, first: usize, step: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Float16 => written(x, to.cast::<u16>().add(first), step, half::to_float16),
            Dtype::Bfloat16 => written(x, to.cast::<u16>().add(first), step, half::to_bfloat16),
            _ => store(x, to.cast::<f32>(), first, step),
        }
    }
}

/// # Safety
/// As [`store_floats`].
#[inline(always)]
pub(super) unsafe fn store<T: Copy>(x: &[T], to: *mut T, first: usize, step: usize) {
    // SAFETY: the caller's promise.
    unsafe { written(x, to.add(first), step, |x| x) }
}

/// # Safety
/// `to` leads to as many elements as `x` has, at a distance of `step`.
#[inline(always)]
unsafe fn written<S: Copy, T>(x: &[S], to: *mut T, step: usize, f: impl Fn(S) -> T) {
    // SAFETY: the caller's promise.
    unsafe {
        if step == 1 {
            for (t, x) in std::slice::from_raw_parts_mut(to, x.len())
                .iter_mut()
                .zip(x)
            {
                *t = f(*x);
            }
        } else {
            for (i, x) in x.iter().enumerate() {
                to.add(i * step).write(f(*x));
            }
        }
    }
}
