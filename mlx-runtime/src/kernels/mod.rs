//! The kernels of this project, a folder each: the operation composed of MLX's (its reference), the kernel of the CPU, the
//! CUDA text and its launch, and the shapes that each can take.
//!
//! - `select` alone knows devices, dtypes and the sizes of packs.
//! - `launch` compiles CUDA text and launches it.
//! - `norm`, `gated`, `attention`, `cross_entropy`, `take_rows`, `dequantize`, `gather`, `adapters`, `updates`, `dropout`: kernels of
//!   an operation each. Its functions choose the way, and compose the operation where there is no kernel. Where the composed
//!   form needs a layer, they return `None` instead and the layer composes it.
//!
//! - `rows` hosts the kernels that `#[mlx_kernel]` generates. `norm`, `gated`, `take_rows`, `dequantize`, `updates` and `dropout`
//!   have no others, and `cross_entropy` has none on the CPU beside the products. The others have several products, outputs with
//!   rows of their own, or any number of arrays.
//!
//! The CPU's C++ kernels (attention and cross entropy, `mlx-sys/native/fused`) take float32 first inputs, promote others from
//! half types, take any strides, work inside every transform but `jvp`, and have first derivatives only. CUDA's split rows into packs of 16 bytes, hence
//! the conditions on sizes. They are compiled at first use in a tenth of a second to three tenths, have first derivatives only,
//! and no `vmap` or `jvp`. A NaN in an input is a NaN in the outputs that depend on it.
//!
//! A new kernel: a folder here with these files, and its `mod` line below.
//!
//! Tests: `tests/fused_kernels.rs` (the CPU's against the composed ones), `mlx-models --test native_kernels` (CUDA's),
//! `examples/llama_lora/bench/right.py`.

pub(crate) mod adapters;
pub(crate) mod attention;
pub(crate) mod cross_entropy;
pub(crate) mod dequantize;
pub(crate) mod dropout;
pub(crate) mod gated;
pub(crate) mod gather;
mod launch;
pub(crate) mod norm;
pub mod rows;
pub(crate) mod select;
pub(crate) mod take_rows;
pub(crate) mod updates;

use crate::context::Scope;

/// The CPU's kernels without a choice, for tests and benchmarks that compare them with what they replace.
pub mod cpu {
    pub use super::attention::cpu::rope_attention;
    pub use super::cross_entropy::cpu::linear_cross_entropy;
    pub use super::gated::{geglu, swiglu};
    pub use super::norm::{add_rms_norm, layer_norm, rms_norm};
    pub use super::select::on_cpu as available;
}

/// Runs `f` with every operation composed of MLX's on this thread.
pub fn without<T>(f: impl FnOnce() -> T) -> T {
    let _scope = Scope::composed();
    f()
}
