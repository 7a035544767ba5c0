//! The CUDA kernel of cross entropy: losses of rows of logits with their gradient.
//!
//! Tests: `mlx-models --test native_kernels`.

use crate::kernels::launch::{rows, Kernel};
use crate::{ops, Array, Dtype, Result};

const LOSSES: Kernel = Kernel {
    name: "losses_with_gradient",
    inputs: &["z", "targets"],
    outputs: &["losses", "dz"],
    header: &[],
    body: include_str!("cross_entropy.cu"),
};

/// Logits `z [n, V]` and whole numbers `targets [n]` -> `logsumexp(x) - x[target]` as float32 `[n]`, where `x` is `z`, or
/// `cap * tanh(z / cap)`, and its gradient with respect to `z`, `[n, V]`. A target outside `0..V` makes its row's loss NaN. The
/// results have no gradient themselves.
pub(super) fn cross_entropy(
    z: &Array,
    targets: &Array,
    cap: Option<f32>,
) -> Result<(Array, Array)> {
    const THREADS: i32 = 1024;
    let (n, size) = (z.dim(0)?, z.dim(1)?);
    let targets = ops::astype(targets, Dtype::Int32)?;
    let call = rows(n, THREADS)
        .dtype("T", z.dtype())
        .constant("V", size)
        .constant("THREADS", THREADS)
        .flag("CAPPED", cap.is_some())
        .number("cap_bits", cap.unwrap_or(1.0).to_bits() as i32)
        .output(&[n], Dtype::Float32)
        .output(&[n, size], z.dtype());
    let mut out = LOSSES.launch(&[z, &targets], &call)?;
    let dz = out.swap_remove(1);
    Ok((out.swap_remove(0), dz))
}
