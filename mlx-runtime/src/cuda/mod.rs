//! CUDA kernels for the operations of a transformer block: each is one pass over the data, forward and backward, while
//! MLX's own operations take several.
//!
//! Callers ask [`available`] first, and otherwise compose the same operation from [`crate::ops`]. Rows are split in
//! packs of 16 bytes, hence the conditions on sizes that each function names. A kernel is compiled at its first use, in
//! a tenth of a second to three tenths. They have first derivatives only, and no `vmap` or `jvp`.

mod adam;
mod adapters;
mod attention;
mod compile;
mod cross_entropy;
mod dequantize;
mod gated;
mod gather;
mod heads;
pub(crate) mod launch;
mod norm;
mod rows;

pub(crate) use adam::{adam, Rates};
pub(crate) use adapters::{side_by_side, Adapter, SideBySide};
pub(crate) use attention::short_attention;
pub(crate) use cross_entropy::cross_entropy;
pub(crate) use dequantize::dequantize;
pub(crate) use gated::gated;
pub(crate) use gather::gather;
pub(crate) use heads::{split_heads, Heads};
pub(crate) use norm::{add_rms_norm, rms_norm};
pub(crate) use rows::{scale_rows, take_rows};

use crate::device::DeviceType;
use crate::{backend, fused, stream, transforms, Array, Dtype};

/// Returns true if the kernels here can take `x`: a floating-point type, the current stream is on an NVIDIA GPU, and no
/// `vmap` or `jvp` surrounds it.
pub(crate) fn available(x: &Array) -> bool {
    matches!(x.dtype(), Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16) && ready(x)
}

/// [`available`] for arrays of any type.
fn ready(x: &Array) -> bool {
    is_on()
        && compile::is_possible()
        && countable(x)
        && !fused::is_off()
        && !transforms::is_vectorising()
        && on_gpu()
}

/// Returns true if the current stream is on an NVIDIA GPU.
pub(crate) fn is_here() -> bool {
    is_on() && on_gpu()
}

/// Returns true if there is a compiler for kernels.
pub(crate) fn compiles() -> bool {
    compile::is_possible()
}

fn on_gpu() -> bool {
    stream::kind().is_ok_and(|kind| kind == DeviceType::Gpu)
}

/// Returns true if MLX runs on CUDA.
pub(crate) fn is_on() -> bool {
    static ON: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ON.get_or_init(|| backend::cuda::is_available().unwrap_or(false))
}

/// Returns true if a kernel can have a thread for each value, because launches count with 32 bits.
fn countable(x: &Array) -> bool {
    i32::try_from(x.size()).is_ok()
}

/// The number of values of a type that a thread reads at once.
pub(crate) fn pack(dtype: Dtype) -> i32 {
    i32::try_from(16 / dtype.size().max(1)).unwrap_or(1)
}
