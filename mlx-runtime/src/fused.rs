//! Fused operations for float32 on the CPU.

use crate::{Array, Error, ErrorKind, Result};

/// Whether these operations apply to `x` here.
pub fn available(_x: &Array) -> bool {
    false
}

fn none<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Device, "not built"))
}

/// See `nn::RmsNorm`.
pub fn rms_norm(_x: &Array, _w: &Array, _eps: f32) -> Result<Array> {
    none()
}
/// `silu(gate) * up`.
pub fn swiglu(_g: &Array, _u: &Array) -> Result<Array> {
    none()
}
/// See `nn::rope_attention`.
#[allow(clippy::too_many_arguments)]
pub fn rope_attention(
    _q: &Array,
    _k: &Array,
    _v: &Array,
    _freqs: &Array,
    _head_dim: i32,
    _traditional: bool,
    _scale: f32,
    _offset: i32,
) -> Result<Array> {
    none()
}
/// See `nn::linear_cross_entropy`.
pub fn linear_cross_entropy(
    _x: &Array,
    _w: &Array,
    _targets: &Array,
    _weights: &Array,
    _with_grad: bool,
) -> Result<Array> {
    none()
}
/// `x w^T + scale (x a) b`.
pub fn lora_linear(_x: &Array, _w: &Array, _a: &Array, _b: &Array, _scale: f32) -> Result<Array> {
    none()
}
