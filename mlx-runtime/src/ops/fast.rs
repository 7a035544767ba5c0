//! Operations that MLX runs as one kernel each, with their gradients. MLX: `mlx.core.fast`.
//!
//! Tests: unit tests below.

use mlx_sys as sys;

use super::index::in_bounds;
use crate::array::{build, check_inputs, optional};
use crate::kernels::select::{self, Fault};
use crate::{transforms, Array, Dtype, Error, Result};

pub use super::options::RopeOptions;

pub use super::kernels::{
    CudaKernel, CudaKernelBuilder, KernelCall, MetalKernel, MetalKernelBuilder,
};

/// The keys that a query may see.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Mask<'a> {
    /// All of them.
    #[default]
    None,
    /// Those at and before its own position; the last query aligns with the last key.
    Causal,
    /// Where a bool array is true, or with a floating-point array added to the scores; it
    /// broadcasts to `[B, heads, Lq, Lk]`.
    Array(&'a Array),
}

/// x / sqrt(mean(x^2) + eps) * weight over the last axis, `[.., n], [n] -> [.., n]`; summed in
/// float32. MLX: `fast.rms_norm`.
///
/// # Errors
/// If the weight is not one-dimensional and of the last axis' size.
pub fn rms_norm(x: &Array, weight: Option<&Array>, eps: f32) -> Result<Array> {
    build("rms_norm", &[x, weight.unwrap_or(x)], |out, s| {
        // SAFETY: the inputs and the stream are valid; a null weight stands for "absent".
        unsafe { sys::mlx_fast_rms_norm(out, x.as_raw(), optional(weight), eps, s) }
    })
}

/// (x - mean) / sqrt(var + eps) * weight + bias over the last axis, `[.., n] -> [.., n]`.
/// MLX: `fast.layer_norm`.
///
/// # Errors
/// If weight or bias is not one-dimensional and of the last axis' size.
pub fn layer_norm(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f32,
) -> Result<Array> {
    let inputs = [x, weight.unwrap_or(x), bias.unwrap_or(x)];
    check_inputs(inputs)?;
    // MLX says what is wrong with other inputs.
    let real = |a: &Array| a.dtype() != Dtype::Complex64;
    let fits = |a: &Array| a.ndim() == 1 && x.shape().ends_with(a.shape()) && real(a);
    let all_fit = weight.is_none_or(fits) && bias.is_none_or(fits);
    if all_fit && select::has_wrong_layer_norms(x) {
        return composed_layer_norm(x, weight, bias, eps);
    }
    build("layer_norm", &inputs, |out, s| {
        let (weight, bias) = (optional(weight), optional(bias));
        // SAFETY: the inputs and the stream are valid; null stands for "absent".
        unsafe { sys::mlx_fast_layer_norm(out, x.as_raw(), weight, bias, eps, s) }
    })
}

/// [`layer_norm`] of other operations, as MLX composes it where it has no kernel.
fn composed_layer_norm(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f32,
) -> Result<Array> {
    let wide = super::astype(x, Dtype::Float32)?;
    let centred = super::subtract(&wide, &super::mean(&wide, &[-1], true)?)?;
    let variance = super::mean(&super::square(&centred)?, &[-1], true)?;
    let scale = super::rsqrt(&super::add(&variance, &Array::scalar(eps)?)?)?;
    let mut y = super::astype(&super::multiply(&centred, &scale)?, x.dtype())?;
    if let Some(weight) = weight {
        y = super::multiply(&y, weight)?;
    }
    match bias {
        Some(bias) => super::add(&y, bias),
        None => Ok(y),
    }
}

/// Rotary position encoding of the first `dims` features, `[B, .., L, n] -> [B, .., L, n]`.
///
/// Position `i` of axis `L` turns by `scale * (i + offset) / base^(2j / dims)`, or by the periods
/// in `freqs` (`[dims / 2]`) instead of `base`: exactly one of the two is given. `traditional`
/// pairs neighbouring features, else the two halves. MLX: `fast.rope`.
///
/// # Errors
/// If both or none of `base` and `freqs` are given, or the shapes do not fit together.
pub fn rope(
    x: &Array,
    dims: i32,
    traditional: bool,
    base: Option<f32>,
    scale: f32,
    offset: i32,
    freqs: Option<&Array>,
) -> Result<Array> {
    build("rope", &[x, freqs.unwrap_or(x)], |out, s| {
        let (base, freqs) = (super::optional_float(base), optional(freqs));
        // SAFETY: the inputs and the stream are valid; null stands for "absent".
        unsafe {
            sys::mlx_fast_rope(
                out,
                x.as_raw(),
                dims,
                traditional,
                base,
                scale,
                offset,
                freqs,
                s,
            )
        }
    })
}

/// [`rope`] whose `offset` is an array: a scalar, or one number for each batch.
/// MLX: `fast.rope` with an array.
///
/// # Errors
/// As [`rope`].
pub fn rope_dynamic(
    x: &Array,
    dims: i32,
    traditional: bool,
    base: Option<f32>,
    scale: f32,
    offset: &Array,
    freqs: Option<&Array>,
) -> Result<Array> {
    build(
        "rope_dynamic",
        &[x, offset, freqs.unwrap_or(x)],
        |out, s| {
            let (base, freqs) = (super::optional_float(base), optional(freqs));
            let (x, offset) = (x.as_raw(), offset.as_raw());
            // SAFETY: the inputs and the stream are valid; null stands for "absent".
            unsafe {
                sys::mlx_fast_rope_dynamic(out, x, dims, traditional, base, scale, offset, freqs, s)
            }
        },
    )
}

/// softmax(scale * q @ k.T, masked) @ v,
/// `[B, heads, Lq, d], [B, kv_heads, Lk, d], [B, kv_heads, Lk, dv] -> [B, heads, Lq, dv]`.
///
/// `heads` is a multiple of `kv_heads`: neighbouring query heads share a key head. `sinks`
/// (`[heads]`) adds one more score to each softmax that leads nowhere. The softmax is computed in
/// float32. MLX: `fast.scaled_dot_product_attention`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn scaled_dot_product_attention(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: f32,
    mask: Mask<'_>,
    sinks: Option<&Array>,
) -> Result<Array> {
    let (mode, array) = match mask {
        Mask::None => (c"", None),
        Mask::Causal => (c"causal", None),
        Mask::Array(a) => (c"array", Some(a)),
    };
    crate::array::check_inputs([q, k, v].into_iter().chain(array).chain(sinks))?;
    if let Some(nothing) = empty_attention(q, k, v)? {
        return Ok(nothing);
    }
    let y = build("scaled_dot_product_attention", &[q, k, v], |out, s| {
        // SAFETY: the inputs, the text and the stream are valid; null stands for "absent".
        unsafe {
            sys::mlx_fast_scaled_dot_product_attention(
                out,
                q.as_raw(),
                k.as_raw(),
                v.as_raw(),
                scale,
                mode.as_ptr(),
                optional(array),
                optional(sinks),
                false,
                s,
            )
        }
    })?;
    let half = y.dtype().size() == 2;
    match half && transforms::is_differentiating() && select::has(Fault::AttentionLayouts) {
        true => gradient_in_one_layout(y),
        false => Ok(y),
    }
}

/// The sum of no values, where an axis is empty: MLX divides by the number of heads.
fn empty_attention(q: &Array, k: &Array, v: &Array) -> Result<Option<Array>> {
    if [q, k, v].iter().all(|a| a.size() > 0) {
        return Ok(None);
    }
    let (&[b, heads, l, d], &[kb, kv_heads, s, kd], &[vb, v_heads, vs, vd]) =
        (q.shape(), k.shape(), v.shape())
    else {
        return Ok(None);
    };
    let grouped =
        kv_heads == v_heads && heads % kv_heads.max(1) == 0 && (kv_heads > 0 || heads == 0);
    if b == kb && b == vb && s == vs && d == kd && grouped {
        return super::zeros(&[b, heads, l, vd], q.dtype()).map(Some);
    }
    Err(Error::shape(
        "scaled_dot_product_attention",
        format!("shapes of queries {q:?}, keys {k:?} and values {v:?} do not match"),
    ))
}

/// `y [B, heads, L, d]`, whose gradient comes back with the heads of a position side by side.
///
/// With another layout the gradient would be wrong, see [`Fault::AttentionLayouts`].
fn gradient_in_one_layout(y: Array) -> Result<Array> {
    const SWAPPED: [i32; 4] = [0, 2, 1, 3];
    let op = transforms::custom_vjp(
        |x| Ok(x.to_vec()),
        |_, by, _| {
            let rows = super::contiguous(&super::transpose(&by[0], &SWAPPED)?, false)?;
            Ok(vec![super::transpose(&rows, &SWAPPED)?])
        },
    );
    Ok(op.call(&[y])?.swap_remove(0))
}

/// logsumexp(logits) - logits\[target\] for each row, `[.., V], [..] -> [..]`.
/// MLX: `fast.cross_entropy`.
///
/// A target outside `0..V` is clamped, see [`super::take`]; mask such rows out of the result.
///
/// # Errors
/// If the targets are not integers, or not of the leading shape.
pub fn cross_entropy(logits: &Array, targets: &Array) -> Result<Array> {
    crate::array::check_inputs([logits, targets])?;
    let Some(&classes) = logits.shape().last() else {
        return Err(Error::shape(
            "cross_entropy",
            "expected logits of one axis or more, found a scalar",
        ));
    };
    let targets = &in_bounds("cross_entropy", targets, classes)?;
    build("cross_entropy", &[logits, targets], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_fast_cross_entropy(out, logits.as_raw(), targets.as_raw(), s) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn composed_layer_norms_are_those_of_mlx() -> Result<()> {
        let normal = |shape: &[i32], seed| {
            random::normal(
                shape,
                Dtype::Float32,
                0.5,
                2.0,
                Some(&random::Key::new(seed)?),
            )
        };
        let (x, w, b) = (normal(&[3, 5], 0)?, normal(&[5], 1)?, normal(&[5], 2)?);
        for (weight, bias) in [(None, None), (Some(&w), None), (Some(&w), Some(&b))] {
            let same = layer_norm(&x, weight, bias, 1e-5)?;
            let made = composed_layer_norm(&x, weight, bias, 1e-5)?;
            assert!(crate::ops::allclose(&made, &same, 1e-5, 1e-6, false)?.item::<bool>()?);
        }
        Ok(())
    }
}
