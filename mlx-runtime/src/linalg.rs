//! Decompositions, norms and solvers. MLX: `mlx.core.linalg`.
//!
//! Most of them run on the CPU only: choose it with [`crate::stream::with`] where the default
//! device is another one.
//!
//! ```
//! use mlx_runtime::{linalg, ops, Array};
//! let a = Array::from_slice(&[4.0f32, 1.0, 1.0, 3.0], &[2, 2])?;
//! let l = linalg::cholesky(&a, false)?;
//! let back = ops::matmul(&l, &ops::transpose(&l, &[])?)?;
//! assert!(ops::allclose(&a, &back, 1e-5, 1e-6, false)?.item::<bool>()?);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```

use std::ffi::CStr;

pub use crate::generated::linalg::*;

/// Which triangle of a symmetric matrix is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Triangle {
    /// That below the diagonal.
    #[default]
    Lower,
    /// That above it.
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
