//! Affine quantisation: groups of `group_size` weights share a scale and a bias, and
//! `w ~ scale * q + bias` with `q` of `bits` bits, packed into uint32.
//!
//! Tests: `tests/parity.rs`.

use mlx_sys as sys;

use crate::array::{build, optional};
use crate::error::from_c;
use crate::handles::VectorArray;
use crate::{Array, Error, ErrorKind, Result};

use super::packed::Quantization;
use super::{optional_dtype, optional_int};

const MODE: &std::ffi::CStr = c"affine";

/// `[.., n, k]` -> packed uint32 `[.., n, k * bits / 32]`, scales and biases
/// `[.., n, k / group_size]`. MLX: `quantize` with mode "affine".
///
/// # Errors
/// If `k` is no multiple of `group_size`, or MLX has no kernel for the two numbers.
pub fn quantize(w: &Array, group_size: i32, bits: i32) -> Result<(Array, Array, Array)> {
    crate::array::check_inputs([w])?;
    // MLX divides by both.
    if group_size < 1 || bits < 1 {
        return Err(Error::invalid(
            "quantize",
            format!("expected groups of 1 or more with 1 or more bits, found groups of {group_size} with {bits} bits"),
        ));
    }
    let stream = crate::stream::current()?;
    let mut out = VectorArray::null();
    // SAFETY: the input, the text and the stream are valid; `out` is a null destination.
    let status = unsafe {
        sys::mlx_quantize(
            out.as_out(),
            w.as_raw(),
            optional_int(Some(group_size)),
            optional_int(Some(bits)),
            MODE.as_ptr(),
            optional(None),
            stream,
        )
    };
    if status != 0 {
        return Err(from_c("quantize", &[w]));
    }
    let mut parts = out.to_vec("quantize")?.into_iter();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(w), Some(scales), Some(biases)) => Ok((w, scales, biases)),
        _ => Err(
            Error::new(ErrorKind::Mlx, "expected three arrays of MLX, found fewer")
                .with_op("quantize"),
        ),
    }
}

/// The weights that [`quantize`] packed, in the dtype of `scales`. MLX: `dequantize`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn dequantize(
    w: &Array,
    scales: &Array,
    biases: &Array,
    group_size: i32,
    bits: i32,
) -> Result<Array> {
    build("dequantize", &[w, scales, biases], |out, s| {
        // SAFETY: the inputs, the text and the stream are valid; `out` is a null destination.
        unsafe {
            sys::mlx_dequantize(
                out,
                w.as_raw(),
                scales.as_raw(),
                biases.as_raw(),
                optional_int(Some(group_size)),
                optional_int(Some(bits)),
                MODE.as_ptr(),
                optional(None),
                optional_dtype(None),
                s,
            )
        }
    })
}

/// `x @ w`, or `x @ w.T` if `transpose`, with a packed `w`:
/// `[.., m, k], packed [n, k] -> [.., m, n]` for `transpose`. [`super::packed::packed_matmul`] takes the same in
/// fewer arguments. MLX: `quantized_matmul`.
///
/// # Errors
/// If the shapes do not fit together.
#[allow(clippy::too_many_arguments)] // MLX's own argument order
pub fn quantized_matmul(
    x: &Array,
    w: &Array,
    scales: &Array,
    biases: &Array,
    transpose: bool,
    group_size: i32,
    bits: i32,
) -> Result<Array> {
    let packed = super::packed::Packed {
        weight: w.clone(),
        scales: scales.clone(),
        biases: Some(biases.clone()),
    };
    super::packed::packed_matmul(
        x,
        &packed,
        transpose,
        Quantization::Affine { group_size, bits },
    )
}
