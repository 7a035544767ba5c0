//! Fourier transforms. MLX: `mlx.core.fft`.
//!
//! Every transform takes the axes it runs along and the sizes it runs over: an axis that is longer
//! is cut, a shorter one padded with zeros. [`Norm`] says which direction divides by the size.
//!
//! ```
//! use mlx_runtime::{fft, ops, Array};
//! let x = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[4])?;
//! let back = fft::irfft(&fft::rfft(&x, 4, -1, fft::Norm::default())?, 4, -1, fft::Norm::default())?;
//! assert!(ops::allclose(&x, &back, 1e-5, 1e-6, false)?.item::<bool>()?);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! Tests: `tests/parity.rs`.

use mlx_sys as sys;

use crate::{Error, Result};

pub use crate::generated::fft::*;

/// The direction of a transform that is divided by the number of elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Norm {
    /// The inverse.
    #[default]
    Backward,
    /// Both, by its root.
    Ortho,
    /// The forward one.
    Forward,
}

impl Norm {
    pub(crate) fn as_raw(self) -> sys::mlx_fft_norm {
        match self {
            Norm::Backward => sys::mlx_fft_norm__MLX_FFT_NORM_BACKWARD,
            Norm::Ortho => sys::mlx_fft_norm__MLX_FFT_NORM_ORTHO,
            Norm::Forward => sys::mlx_fft_norm__MLX_FFT_NORM_FORWARD,
        }
    }
}

/// MLX divides by the sizes.
pub(crate) fn check_sizes(op: &'static str, sizes: &[i32]) -> Result<()> {
    if sizes.iter().any(|&n| n < 1) {
        return Err(Error::shape(
            op,
            format!("expected sizes of 1 or more, found {sizes:?}"),
        ));
    }
    crate::ops::check_new_shape(op, sizes)
}
