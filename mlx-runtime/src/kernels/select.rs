//! The choice of a way to compute: this file alone asks for the device, the backend and the dtype.
//!
//! A kernel asks [`on_cpu`] or [`on_cuda`] and otherwise composes the same operation from [`crate::ops`]. Other modules ask a
//! question of their own here ([`splits_products`], [`unpacks_from`], ..), so that what MLX's backends do well, do slowly or do
//! wrong is in one place.
//!
//! Tests: `tests/select.rs` reads the sources; `tests/fused_kernels.rs` and `mlx-models --test native_kernels` compare the ways.

use std::sync::OnceLock;

use mlx_sys as sys;

use super::launch;
use crate::device::{self, DeviceType};
use crate::low_level::switches;
use crate::model::layers::Computed;
use crate::{backend, context, stream, Array, Dtype, Result};

/// Returns true if the fused operations of the CPU can take `x`: float32, and the current stream is on a CPU.
#[inline]
pub fn on_cpu(x: &Array) -> bool {
    // SAFETY: the input and the stream are valid.
    !context::is_composed()
        && stream::current().is_ok_and(|s| unsafe { sys::mlxrs_fused_available(x.as_raw(), s) })
}

/// Returns true if the CUDA kernels can take `x`: a floating-point type, the current stream is on an NVIDIA GPU, and no
/// `vmap` or `jvp`, for which they have no rule, surrounds it.
pub(super) fn on_cuda(x: &Array) -> bool {
    is_float(x.dtype()) && on_cuda_in_any_dtype(x)
}

/// [`on_cuda`] for arrays of any type.
pub(super) fn on_cuda_in_any_dtype(x: &Array) -> bool {
    is_cuda()
        && launch::is_possible()
        // Launches count with 32 bits.
        && i32::try_from(x.size()).is_ok()
        && !context::is_composed()
        && !context::is_vectorising()
        && is_on_cuda()
}

/// A device that computes the rows of generated kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Cpu,
    Cuda,
    Metal,
}

/// The device that computes the rows of generated kernels with floats of this dtype: the current stream's.
/// `None` if MLX has another backend there, or if what is recorded needs its own operations.
pub(super) fn rows_on(float: Dtype) -> Option<Rows> {
    let recorded = switches::no_kernels()
        || context::is_composed()
        || context::is_vectorising()
        || context::is_shapeless();
    if recorded || !is_float(float) {
        return None;
    }
    if stream::kind().ok()? == DeviceType::Cpu {
        return Some(Rows::Cpu);
    }
    if is_cuda() {
        return launch::is_possible().then_some(Rows::Cuda);
    }
    is_metal().then_some(Rows::Metal)
}

/// Returns true if the current stream is on a CPU, and generated kernels there can take the inputs: of one floating-point
/// type, and not empty.
pub(super) fn rows_on_cpu(inputs: &[&Array]) -> bool {
    rows_of(inputs) == Some(Rows::Cpu)
}

/// As [`rows_on_cpu`], on any device that has such kernels.
pub(super) fn rows_anywhere(inputs: &[&Array]) -> bool {
    rows_of(inputs).is_some()
}

fn rows_of(inputs: &[&Array]) -> Option<Rows> {
    let [first, ..] = inputs else { return None };
    let alike = |x: &&Array| x.dtype() == first.dtype() && x.size() > 0;
    inputs.iter().all(alike).then(|| rows_on(first.dtype()))?
}

/// Returns true if a device computes the rows of generated kernels with floats of this dtype here.
pub(crate) fn takes_rows(float: Dtype) -> bool {
    rows_on(float).is_some()
}

/// Returns true for the types that the CUDA kernels compute with.
pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16)
}

/// Returns true for the floating-point types of two bytes.
pub(super) fn is_half(dtype: Dtype) -> bool {
    dtype.size() == 2
}

/// The number of values of a type that a CUDA thread reads at once: 16 bytes.
pub(super) fn pack(dtype: Dtype) -> i32 {
    i32::try_from(16 / dtype.size().max(1)).unwrap_or(1)
}

/// Returns true if rows of `size` values are whole packs.
pub(super) fn is_packs(size: i32, dtype: Dtype) -> bool {
    size % pack(dtype) == 0
}

/// Faults of MLX's CUDA backend that the caller goes around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `astype` makes 1 + 1i of true, and asks for both parts of a number before it counts as true.
    ComplexCasts,
    /// `quantized_matmul` with one group in a row has a kernel of its own on a Hopper GPU: in TF32, whatever the environment
    /// says, and for two batches of rows in float32 it gave other numbers altogether.
    OneGroup,
    /// `gather_mm` reads eight numbers at once if the dim that it sums over is a multiple of eight, whatever the length of the
    /// rows that it reads; a gradient reads rows of the rank's length.
    ShortRows,
    /// The plan of cuDNN's attention gradient is kept by the layouts of queries, keys and values, but not by the layout of
    /// the cotangent (`sdpa_backward_cudnn` of mlx/backend/cuda/scaled_dot_product_attention.cpp).
    AttentionLayouts,
}

/// Returns true if the fault shows here.
pub(crate) fn has(fault: Fault) -> bool {
    match fault {
        // The gradient may run on another stream than the operation.
        Fault::AttentionLayouts => is_cuda(),
        _ => is_on_cuda(),
    }
}

/// Returns true if the gradient of MLX's `layer_norm` of `x` is wrong here: its CUDA kernel reads the end of a row that is no
/// multiple of a pack at other places than it loaded (`layer_norm_vjp`, mlx/backend/cuda/layer_norm.cu).
pub(crate) fn has_wrong_layer_norms(x: &Array) -> bool {
    is_on_cuda()
        && is_float(x.dtype())
        && x.shape().last().is_some_and(|n| !is_packs(*n, x.dtype()))
}

/// Returns true if the first reader of an array moves it to memory that the host reaches, as MLX's CUDA backend does
/// (`Buffer::raw_ptr`, mlx/backend/cuda/allocator.cpp).
pub(crate) fn moves_arrays_to_readers() -> bool {
    is_cuda()
}

/// Returns true where MLX's compiler takes seconds for each chain of operations that it fuses: its CUDA headers are large. The
/// chains that are worth it are generated kernels.
pub(crate) fn compiles_for_seconds() -> bool {
    is_cuda()
}

/// Returns true if the default device is a GPU.
///
/// # Errors
/// If MLX cannot say.
pub(crate) fn is_on_gpu() -> Result<bool> {
    Ok(device::default_device()?.kind() == DeviceType::Gpu)
}

/// The properties that decide which values a forward pass of `x` keeps.
///
/// # Errors
/// As [`is_on_gpu`].
pub(crate) fn computed(x: &Array) -> Result<Computed> {
    Ok(Computed {
        fused: on_cpu(x),
        kernels: takes_rows(x.dtype()),
        tiled: attends_with_cuda()?,
    })
}

/// Returns true if MLX computes attention with CUDA.
///
/// It then works in tiles also while it trains, so that nothing has all scores at once. On Metal MLX composes it of other
/// operations then (`ScaledDotProductAttention::use_fallback`, mlx/backend/metal/scaled_dot_product_attention.cpp). And it gives
/// wrong gradients for views, such as the parts of one joined product: heads must lie whole in memory.
///
/// # Errors
/// As [`is_on_gpu`].
pub(crate) fn attends_with_cuda() -> Result<bool> {
    Ok(is_cuda() && is_on_gpu()?)
}

/// Returns true if layers that share the input `x` are faster with one product each: on the CPU each then writes its result
/// where the next operation wants it.
pub(crate) fn splits_products(x: &Array) -> bool {
    on_cpu(x)
}

/// Returns true if MLX frees cached buffers from its memory limit on, rather than from the machine's memory on: a limit that
/// only shortens the queue would empty the cache. So it is on Metal (`MetalAllocator::set_memory_limit`,
/// mlx/backend/metal/allocator.cpp).
///
/// # Errors
/// As [`is_on_gpu`].
pub(crate) fn limits_cache_by_memory() -> Result<bool> {
    Ok(is_metal() && is_on_gpu()? && !switches::short_queue())
}

/// The dtype in which a dense product of `dtype` is fast.
///
/// # Errors
/// As [`is_on_gpu`].
pub(crate) fn product_dtype(dtype: Dtype) -> Result<Dtype> {
    Ok(if is_on_gpu()? { dtype } else { Dtype::Float32 })
}

/// The number of rows from which on a product with an unpacked matrix is faster than one with packed values.
///
/// # Errors
/// As [`is_on_gpu`].
pub(crate) fn unpacks_from(dtype: Dtype) -> Result<usize> {
    if let Some(rows) = switches::unpack_from() {
        return Ok(rows);
    }
    Ok(match (is_on_gpu()?, dtype) {
        // Measured: `cargo bench -p mlx-runtime --bench packed`.
        (false, Dtype::Float32) => 2,
        (false, _) => 1,
        _ if is_metal() => metal_unpacks_from(&backend::metal::architecture()?),
        // CUDA: as fast from 8 rows on, where a packed product would compile for 35 s first, and
        // faster from 64 on.
        _ => 8,
    })
}

/// Metal's answer to [`unpacks_from`], by the architecture's name. Not measured.
///
/// MLX's packed product unpacks each weight once for every 32 rows (`qmm_t`, mlx/backend/metal/kernels/quantized.h). With 32
/// such tiles, that is about the time in which memory takes an unpacked weight and gives it back. Chips of generation 17 (M5)
/// and later have matrix units with packed products of their own.
fn metal_unpacks_from(architecture: &str) -> usize {
    let digits = architecture.trim_start_matches(|c: char| !c.is_ascii_digit());
    let generation = digits.trim_end_matches(|c: char| !c.is_ascii_digit());
    match generation.parse::<u32>() {
        Ok(generation) if generation < 17 => 1024,
        _ => usize::MAX,
    }
}

/// Bytes of float32 logits that a loss has at one time: enough rows for a good product, and little beside a model.
///
/// # Errors
/// As [`is_on_gpu`].
pub(crate) fn logits_at_once() -> Result<i64> {
    Ok(if is_on_gpu()? { 256 << 20 } else { 16 << 20 })
}

/// Returns true if MLX is built for CUDA and finds a GPU.
pub(super) fn is_cuda() -> bool {
    static YES: OnceLock<bool> = OnceLock::new();
    *YES.get_or_init(|| backend::cuda::is_available().unwrap_or(false))
}

/// Returns true if MLX is built for Metal and finds a GPU.
fn is_metal() -> bool {
    static YES: OnceLock<bool> = OnceLock::new();
    *YES.get_or_init(|| backend::metal::is_available().unwrap_or(false))
}

/// Returns true if the current stream is on an NVIDIA GPU.
fn is_on_cuda() -> bool {
    is_cuda() && stream::kind().is_ok_and(|kind| kind == DeviceType::Gpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Generation 16 is the M4; later ones multiply packed values with their matrix units.
    #[test]
    fn metal_unpacks_where_it_has_no_matrix_units() {
        for (architecture, rows) in [
            ("applegpu_g13g", 1024),
            ("applegpu_g15d", 1024),
            ("applegpu_g16s", 1024),
            ("applegpu_g17s", usize::MAX),
            ("", usize::MAX),
        ] {
            assert_eq!(metal_unpacks_from(architecture), rows, "{architecture}");
        }
    }
}
