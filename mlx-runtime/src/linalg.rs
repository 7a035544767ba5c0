//! Decompositions, norms and solvers. MLX: `mlx.core.linalg`.
//!
//! Most of them run on the CPU only: choose it with [`crate::stream::with`] if the default device is another one.
//!
//! ```
//! use mlx_runtime::{linalg, ops, Array};
//! let a = Array::from_slice(&[4.0f32, 1.0, 1.0, 3.0], &[2, 2])?;
//! let l = linalg::cholesky(&a, false)?;
//! let back = ops::matmul(&l, &ops::transpose(&l, &[])?)?;
//! assert!(ops::allclose(&a, &back, 1e-5, 1e-6, false)?.item::<bool>()?);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! Tests: `tests/parity.rs`.

use std::ffi::CStr;

use mlx_sys as sys;

use crate::array::{build, build_two};
use crate::{ops, Array, Error, Result};

pub use crate::generated::linalg::*;

/// The decompositions divide by sizes, and read an element that is not there.
pub(crate) fn check_some(op: &'static str, a: &Array) -> Result<()> {
    crate::array::check_inputs([a])?;
    if a.size() == 0 {
        return Err(Error::shape(
            op,
            format!("expected an array with elements, found {a:?}"),
        ));
    }
    Ok(())
}

/// The matrices with zeros for elements that are not finite, and, `[.., 1, 1]`, true for matrices with finite elements
/// only.
pub(crate) fn finite(op: &'static str, a: &Array) -> Result<(Array, Array)> {
    check_some(op, a)?;
    if a.ndim() < 2 {
        return Err(Error::shape(op, format!("expected a matrix, found {a:?}")));
    }
    let finite = ops::isfinite(a)?;
    let safe = ops::where_(&finite, a, &ops::zeros_like(a)?)?;
    Ok((safe, ops::all(&finite, &[-2, -1], true)?))
}

pub(crate) fn or_nan(finite: &Array, values: &Array) -> Result<Array> {
    let nan = ops::astype(&Array::scalar(f32::NAN)?, values.dtype())?;
    ops::where_(finite, values, &nan)
}

/// [`or_nan`] for a result of matrices `a`: of as many axes as they have, or of one fewer.
pub(crate) fn each_or_nan(finite: &Array, a: &Array, values: &Array) -> Result<Array> {
    match values.ndim() < a.ndim() {
        true => or_nan(&ops::squeeze(finite, &[-1])?, values),
        false => or_nan(finite, values),
    }
}

/// Eigenvalues and right eigenvectors (as columns) of any square matrix, `[.., n, n]` -> complex64 `[.., n]`, `[.., n,
/// n]`. A matrix with an element that is not finite has NaN for both, because the library that MLX calls would end the
/// process. MLX: `linalg.eig`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn eig(a: &Array) -> Result<(Array, Array)> {
    let (safe, finite) = finite("eig", a)?;
    let (values, vectors) = build_two("eig", &[a], |values, vectors, s| {
        // SAFETY: the input and the stream are valid; both destinations are null.
        unsafe { sys::mlx_linalg_eig(values, vectors, safe.as_raw(), s) }
    })?;
    let of_values = ops::squeeze(&finite, &[-1])?;
    Ok((or_nan(&of_values, &values)?, or_nan(&finite, &vectors)?))
}

/// The eigenvalues of any square matrix, `[.., n, n]` -> complex64 `[.., n]`; NaN for a matrix with
/// an element that is not finite, see [`eig`]. MLX: `linalg.eigvals`.
///
/// # Errors
/// As [`eig`].
pub fn eigvals(a: &Array) -> Result<Array> {
    let (safe, finite) = finite("eigvals", a)?;
    let values = build("eigvals", &[a], |out, s| {
        // SAFETY: the input and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_linalg_eigvals(out, safe.as_raw(), s) }
    })?;
    or_nan(&ops::squeeze(&finite, &[-1])?, &values)
}

/// The triangle of a symmetric matrix that is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Triangle {
    /// The triangle below the diagonal.
    #[default]
    Lower,
    /// The triangle above the diagonal.
    Upper,
}

impl Triangle {
    pub(crate) fn as_c(self) -> &'static CStr {
        match self {
            Triangle::Lower => c"L",
            Triangle::Upper => c"U",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decompositions_of_what_is_not_finite_are_nan() {
        for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let a = [2.0f32, 0.0, 0.0, 3.0, bad, 1.0, 1.0, 1.0];
            let a = Array::from_slice(&a, &[2, 2, 2]).unwrap();
            let all = |y: &Array| y.to_vec::<f32>().unwrap();
            let inverse = all(&pinv(&a).unwrap());
            assert!((inverse[0] - 0.5).abs() < 1e-6 && inverse[4..].iter().all(|v| v.is_nan()));
            let values = [
                svd(&a, true).unwrap().swap_remove(1),
                svd(&a, false).unwrap().swap_remove(0),
                eigvalsh(&a, Triangle::Lower).unwrap(),
                eigh(&a, Triangle::Lower).unwrap().0,
            ];
            for values in values.iter().map(all) {
                assert!((values[0] * values[1] - 6.0).abs() < 1e-5, "{values:?}");
                assert!(values[2].is_nan() && values[3].is_nan(), "{values:?}");
            }
        }
    }

    #[test]
    fn eigenvalues_of_what_is_not_finite_are_nan() {
        let a = [2.0f32, 0.0, 0.0, 3.0, f32::NAN, 1.0, 1.0, 1.0];
        let a = Array::from_slice(&a, &[2, 2, 2]).unwrap();
        let (values, _) = eig(&a).unwrap();
        for values in [values, eigvals(&a).unwrap()] {
            let real = ops::real(&values).unwrap().to_vec::<f32>().unwrap();
            assert_eq!(real[..2], [2.0, 3.0]);
            assert!(real[2].is_nan() && real[3].is_nan());
        }
    }
}
