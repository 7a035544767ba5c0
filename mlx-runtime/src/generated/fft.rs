//! Fourier transforms.
//!
//! Written by `cargo xtask generate` from `xtask/src/wrappers/rows/fft.toml`.

use mlx_sys as sys;

use crate::array::build;
use crate::fft::Norm;
use crate::{Array, Result};

/// The discrete Fourier transform along `axis`, cut or padded with zeros to `n`,
/// `[.., m, ..]` -> complex64 `[.., n, ..]`. MLX: `fft.fft`.
///
/// # Errors
/// If the axis does not exist, or `n` is less than 1.
pub fn fft(a: &Array, n: i32, axis: i32, norm: Norm) -> Result<Array> {
    const OP: &str = "fft";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, &[n])?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_fft_fft(out, a.as_raw(), n, axis, norm.as_raw(), s) }
    })
}

/// As [`fftn`]; the two axes are usually the last ones. MLX: `fft.fft2`.
///
/// # Errors
/// If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less
/// than 1.
pub fn fft2(a: &Array, n: &[i32], axes: &[i32], norm: Norm) -> Result<Array> {
    const OP: &str = "fft2";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, n)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_fft_fft2(
                out,
                a.as_raw(),
                n.as_ptr(),
                n.len(),
                axes.as_ptr(),
                axes.len(),
                norm.as_raw(),
                s,
            )
        }
    })
}

/// The frequencies of [`fft`]'s elements at a sample spacing of `d`, float32 `[n]`.
/// MLX: `fft.fftfreq`.
///
/// # Errors
/// If `n` is less than 1.
pub fn fftfreq(n: i32, d: f64) -> Result<Array> {
    const OP: &str = "fftfreq";
    crate::fft::check_sizes(OP, &[n])?;

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_fft_fftfreq(out, n, d, s) }
    })
}

/// The discrete Fourier transform along each of `axes`, cut or padded with zeros to the sizes `n`,
/// `[..]` -> complex64 `[..]`. MLX: `fft.fftn`.
///
/// # Errors
/// If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less
/// than 1.
pub fn fftn(a: &Array, n: &[i32], axes: &[i32], norm: Norm) -> Result<Array> {
    const OP: &str = "fftn";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, n)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_fft_fftn(
                out,
                a.as_raw(),
                n.as_ptr(),
                n.len(),
                axes.as_ptr(),
                axes.len(),
                norm.as_raw(),
                s,
            )
        }
    })
}

/// Frequency 0 moved to the middle of each of `axes`, `[..] -> [..]`. MLX: `fft.fftshift`.
///
/// # Errors
/// If an axis does not exist.
pub fn fftshift(a: &Array, axes: &[i32]) -> Result<Array> {
    const OP: &str = "fftshift";

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_fft_fftshift(out, a.as_raw(), axes.as_ptr(), axes.len(), s) }
    })
}

/// The inverse of [`fft`], `[.., m, ..]` -> complex64 `[.., n, ..]`. MLX: `fft.ifft`.
///
/// # Errors
/// If the axis does not exist, or `n` is less than 1.
pub fn ifft(a: &Array, n: i32, axis: i32, norm: Norm) -> Result<Array> {
    const OP: &str = "ifft";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, &[n])?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_fft_ifft(out, a.as_raw(), n, axis, norm.as_raw(), s) }
    })
}

/// The inverse of [`fft2`]. MLX: `fft.ifft2`.
///
/// # Errors
/// If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less
/// than 1.
pub fn ifft2(a: &Array, n: &[i32], axes: &[i32], norm: Norm) -> Result<Array> {
    const OP: &str = "ifft2";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, n)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_fft_ifft2(
                out,
                a.as_raw(),
                n.as_ptr(),
                n.len(),
                axes.as_ptr(),
                axes.len(),
                norm.as_raw(),
                s,
            )
        }
    })
}

/// The inverse of [`fftn`]. MLX: `fft.ifftn`.
///
/// # Errors
/// If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less
/// than 1.
pub fn ifftn(a: &Array, n: &[i32], axes: &[i32], norm: Norm) -> Result<Array> {
    const OP: &str = "ifftn";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, n)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_fft_ifftn(
                out,
                a.as_raw(),
                n.as_ptr(),
                n.len(),
                axes.as_ptr(),
                axes.len(),
                norm.as_raw(),
                s,
            )
        }
    })
}

/// The inverse of [`fftshift`], `[..] -> [..]`. MLX: `fft.ifftshift`.
///
/// # Errors
/// If an axis does not exist.
pub fn ifftshift(a: &Array, axes: &[i32]) -> Result<Array> {
    const OP: &str = "ifftshift";

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_fft_ifftshift(out, a.as_raw(), axes.as_ptr(), axes.len(), s) }
    })
}

/// The inverse of [`rfft`], complex64 `[.., n / 2 + 1, ..]` -> float32 `[.., n, ..]`.
/// MLX: `fft.irfft`.
///
/// # Errors
/// If the axis does not exist, or `n` is less than 1.
pub fn irfft(a: &Array, n: i32, axis: i32, norm: Norm) -> Result<Array> {
    const OP: &str = "irfft";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, &[n])?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_fft_irfft(out, a.as_raw(), n, axis, norm.as_raw(), s) }
    })
}

/// The inverse of [`rfft2`]. MLX: `fft.irfft2`.
///
/// # Errors
/// If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less
/// than 1.
pub fn irfft2(a: &Array, n: &[i32], axes: &[i32], norm: Norm) -> Result<Array> {
    const OP: &str = "irfft2";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, n)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_fft_irfft2(
                out,
                a.as_raw(),
                n.as_ptr(),
                n.len(),
                axes.as_ptr(),
                axes.len(),
                norm.as_raw(),
                s,
            )
        }
    })
}

/// The inverse of [`rfftn`]. MLX: `fft.irfftn`.
///
/// # Errors
/// If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less
/// than 1.
pub fn irfftn(a: &Array, n: &[i32], axes: &[i32], norm: Norm) -> Result<Array> {
    const OP: &str = "irfftn";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, n)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_fft_irfftn(
                out,
                a.as_raw(),
                n.as_ptr(),
                n.len(),
                axes.as_ptr(),
                axes.len(),
                norm.as_raw(),
                s,
            )
        }
    })
}

/// The discrete Fourier transform of real numbers along `axis`, without the half that mirrors the
/// other, float32 `[.., m, ..]` -> complex64 `[.., n / 2 + 1, ..]`. MLX: `fft.rfft`.
///
/// # Errors
/// If the axis does not exist, or `n` is less than 1.
pub fn rfft(a: &Array, n: i32, axis: i32, norm: Norm) -> Result<Array> {
    const OP: &str = "rfft";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, &[n])?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_fft_rfft(out, a.as_raw(), n, axis, norm.as_raw(), s) }
    })
}

/// As [`rfftn`]; the two axes are usually the last ones. MLX: `fft.rfft2`.
///
/// # Errors
/// If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less
/// than 1.
pub fn rfft2(a: &Array, n: &[i32], axes: &[i32], norm: Norm) -> Result<Array> {
    const OP: &str = "rfft2";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, n)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_fft_rfft2(
                out,
                a.as_raw(),
                n.as_ptr(),
                n.len(),
                axes.as_ptr(),
                axes.len(),
                norm.as_raw(),
                s,
            )
        }
    })
}

/// The frequencies of [`rfft`]'s elements at a sample spacing of `d`, float32 `[n / 2 + 1]`.
/// MLX: `fft.rfftfreq`.
///
/// # Errors
/// If `n` is less than 1.
pub fn rfftfreq(n: i32, d: f64) -> Result<Array> {
    const OP: &str = "rfftfreq";
    crate::fft::check_sizes(OP, &[n])?;

    build(OP, &[], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_fft_rfftfreq(out, n, d, s) }
    })
}

/// The transform of [`rfft`] along the last of `axes` and of [`fft`] along the others,
/// `[..]` -> complex64 `[..]`. MLX: `fft.rfftn`.
///
/// # Errors
/// If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less
/// than 1.
pub fn rfftn(a: &Array, n: &[i32], axes: &[i32], norm: Norm) -> Result<Array> {
    const OP: &str = "rfftn";
    crate::array::check_inputs([a])?;
    crate::fft::check_sizes(OP, n)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_fft_rfftn(
                out,
                a.as_raw(),
                n.as_ptr(),
                n.len(),
                axes.as_ptr(),
                axes.len(),
                norm.as_raw(),
                s,
            )
        }
    })
}
