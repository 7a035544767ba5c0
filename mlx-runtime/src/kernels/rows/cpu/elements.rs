//! Elements of arrays as rows of float32, whole numbers and truth values, and back.
//!
//! Tests: `mlx-tests --test kernels`.

use super::super::half;
use crate::Dtype;

/// `n` elements as float32: the array's own, or copies in `own`.
///
/// # Safety
/// The elements are inside of the array, and `own` has room for `n`.
#[inline(always)]
pub(super) unsafe fn floats_at<'a>(
    base: *const u8,
    dtype: Dtype,
    from: usize,
    step: usize,
    n: usize,
    own: *mut f32,
) -> &'a [f32] {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Float16 => {
                converted(base.cast::<u16>().add(from), step, n, own, half::of_float16)
            }
            Dtype::Bfloat16 => converted(
                base.cast::<u16>().add(from),
                step,
                n,
                own,
                half::of_bfloat16,
            ),
            _ => words_at(base.cast::<f32>(), from, step, n, own),
        }
    }
}

/// # Safety
/// As [`floats_at`].
#[inline(always)]
pub(super) unsafe fn words_at<'a, T: Copy>(
    base: *const T,
    from: usize,
    step: usize,
    n: usize,
    own: *mut T,
) -> &'a [T] {
    // SAFETY: the caller's promise.
    unsafe {
        match step == 1 || n == 1 {
            true => std::slice::from_raw_parts(base.add(from), n),
            false => converted(base.add(from), step, n, own, |x| x),
        }
    }
}

/// # Safety
/// As [`floats_at`].
#[inline(always)]
pub(super) unsafe fn truths_at<'a>(
    base: *const u8,
    from: usize,
    step: usize,
    n: usize,
    own: *mut bool,
) -> &'a [bool] {
    // SAFETY: the caller's promise.
    unsafe { converted(base.add(from), step, n, own, |x| x != 0) }
}

/// # Safety
/// `first` leads to `n` elements at a distance of `step`, `own` to room for `n`.
#[inline(always)]
unsafe fn converted<'a, S: Copy, T>(
    first: *const S,
    step: usize,
    n: usize,
    own: *mut T,
    f: impl Fn(S) -> T,
) -> &'a [T] {
    // SAFETY: the caller's promise. The two do not overlap: `own` is memory of this part.
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
        std::slice::from_raw_parts(own, n)
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
