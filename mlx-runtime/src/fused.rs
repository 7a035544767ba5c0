//! Fused operations of a transformer block, each in one pass on the CPU.
//!
//! Generated code asks [`available`] first, and otherwise composes the same operation from [`crate::ops`]. The first
//! input is float32, others are promoted to it from half types; strides are free. The current stream is on a CPU. They
//! work inside every transform but `jvp`, and have first derivatives only. A NaN in an input is a NaN in the outputs
//! that depend on it.
//!
//! Source: `mlx-sys/native/fused`.
//!
//! Tests: `tests/fused.rs`.

use std::cell::Cell;
use std::ptr::null_mut;

use mlx_sys as sys;

use crate::array::build;
use crate::error::from_c;
use crate::handles::VectorArray;
use crate::{stream, Array, Result};

thread_local! {
    static OFF: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` with nothing [`available`] on this thread, so that tests can compare the two ways.
pub fn without<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            OFF.set(self.0);
        }
    }
    let _restore = Restore(OFF.replace(true));
    f()
}

/// Returns true if this thread is inside [`without`].
pub(crate) fn is_off() -> bool {
    OFF.get()
}

/// Returns true if the operations here can take `x`: float32, and the current stream is on a CPU.
#[inline]
pub fn available(x: &Array) -> bool {
    // SAFETY: the input and the stream are valid.
    !OFF.get()
        && stream::current().is_ok_and(|s| unsafe { sys::mlxrs_fused_available(x.as_raw(), s) })
}

/// x / sqrt(mean(x^2) + eps) * w over the last axis, `[.., d], [d] -> [.., d]`. The same as
/// [`crate::ops::fast::rms_norm`].
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type.
pub fn rms_norm(x: &Array, w: &Array, eps: f32) -> Result<Array> {
    build("rms_norm", &[x, w], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_rms_norm(out, x.as_raw(), w.as_raw(), eps, s) }
    })
}

/// h = x + r and y = rms_norm(h, w), `[.., d], [.., d], [d] -> ([.., d], [.., d])`: the residual
/// addition of a block and the norm that starts the next one. Returns `(h, y)`.
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type.
pub fn add_rms_norm(x: &Array, r: &Array, w: &Array, eps: f32) -> Result<(Array, Array)> {
    let op = "add_rms_norm";
    let stream = stream::current()?;
    let mut sum = sys::mlx_array { ctx: null_mut() };
    let mut normed = sys::mlx_array { ctx: null_mut() };
    // SAFETY: the inputs and the stream are valid, the destinations null.
    let status = unsafe {
        sys::mlxrs_add_rms_norm(
            &mut sum,
            &mut normed,
            x.as_raw(),
            r.as_raw(),
            w.as_raw(),
            eps,
            stream,
        )
    };
    if status != 0 {
        return Err(from_c(op, &[x, r, w]));
    }
    Ok((
        Array::from_handle(sum, op)?,
        Array::from_handle(normed, op)?,
    ))
}

/// silu(g) * u, `[..], [..] -> [..]`: the gate of a feed-forward block (Shazeer,
/// arXiv:2002.05202).
///
/// # Errors
/// If the shapes differ, or something is empty or of another type.
pub fn swiglu(g: &Array, u: &Array) -> Result<Array> {
    build("swiglu", &[g, u], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_swiglu(out, g.as_raw(), u.as_raw(), s) }
    })
}

/// Rotary embedding of queries and keys, and causal attention of the rows to each other:
/// q `[B, L, H * D]`, k and v `[B, L, K * D]`, freqs `[D / 2]` -> `[B, L, H * D]`.
///
/// `D` is `head_dim`, even; `H` is a multiple of `K`, and neighbouring query heads share a key head. Pair `j` of row
/// `i` turns by `(i + offset) * freqs[j]`: `freqs` holds angles per position, the inverse of the periods that
/// [`crate::ops::fast::rope`] takes. `traditional` pairs neighbouring features, else the two halves. No keys from
/// before are seen, whatever the offset. Memory grows with `L`, not with its square. `freqs` is a constant: its
/// gradient is 0.
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type.
#[allow(clippy::too_many_arguments)] // as in C
pub fn rope_attention(
    q: &Array,
    k: &Array,
    v: &Array,
    freqs: &Array,
    head_dim: i32,
    traditional: bool,
    scale: f32,
    offset: i32,
) -> Result<Array> {
    build("rope_attention", &[q, k, v, freqs], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe {
            sys::mlxrs_rope_attention(
                out,
                q.as_raw(),
                k.as_raw(),
                v.as_raw(),
                freqs.as_raw(),
                head_dim,
                traditional,
                scale,
                offset,
                s,
            )
        }
    })
}

/// weights\[i\] * (logsumexp(z\[i\]) - z\[i\]\[targets\[i\]\]) of the logits z = x @ w.T:
/// x `[.., d]`, w `[V, d]`, targets `[..]` (integers of at most 32 bits), weights `[..]` -> `[..]`.
///
/// The logits never exist whole. Rows of weight 0 cost nothing, and their loss and gradient are 0
/// whatever else they hold. A target outside `0..V` makes its row NaN. With `with_grad` the
/// gradient with respect to `x` is computed along with the value; there is no other gradient.
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type. Differentiating
/// with respect to anything but `x`, or without `with_grad`, is an error of the transform.
pub fn linear_cross_entropy(
    x: &Array,
    w: &Array,
    targets: &Array,
    weights: &Array,
    with_grad: bool,
) -> Result<Array> {
    let inputs = [x, w, targets, weights];
    build("linear_cross_entropy", &inputs, |out, s| {
        let [x, w, targets, weights] = inputs.map(Array::as_raw);
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_linear_cross_entropy(out, x, w, targets, weights, with_grad, s) }
    })
}

/// x @ w.T + scale * (x @ a) @ b, a frozen linear layer with a low-rank update (Hu et al.,
/// arXiv:2106.09685): x `[.., in]`, w `[out, in]`, a `[in, r]`, b `[r, out]` -> `[.., out]`.
///
/// # Errors
/// If the shapes do not fit together, or something is empty or of another type. Differentiating with
/// respect to `w` is an error of the transform.
pub fn lora_linear(x: &Array, w: &Array, a: &Array, b: &Array, scale: f32) -> Result<Array> {
    let inputs = [x, w, a, b];
    build("lora_linear", &inputs, |out, s| {
        let [x, w, a, b] = inputs.map(Array::as_raw);
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_lora_linear(out, x, w, a, b, scale, s) }
    })
}

/// The elements of arrays of one dtype, each row-major, one array after the other: `[..]` each -> `[n]`. One piece of
/// work for any number of arrays, while [`crate::ops::concatenate`] queues one for each. There is no gradient. On a GPU
/// this is a concatenation; callers on CUDA use a separate kernel instead.
///
/// # Errors
/// If there are no arrays, or their dtypes differ.
pub fn gather(arrays: &[&Array]) -> Result<Array> {
    let list = VectorArray::from_refs("gather", arrays)?;
    build("gather", arrays, |out, s| {
        // SAFETY: the list and the stream are valid; `out` is a null destination.
        unsafe { sys::mlxrs_gather(out, list.as_raw(), s) }
    })
}
