//! The cross-entropy kernel: losses of rows of logits.
//!
//! Tests: `mlx-models --test native`.

use super::launch::{rows, Kernel};
use crate::{ops, Array, Dtype, Result};

const LOSSES: Kernel = Kernel {
    name: "losses",
    inputs: &["z", "targets"],
    outputs: &["losses"],
    header: &["#define GRADIENT 0\n"],
    body: include_str!("cross_entropy.cu"),
};
const WITH_GRADIENT: Kernel = Kernel {
    name: "losses_with_gradient",
    inputs: &["z", "targets"],
    outputs: &["losses", "dz"],
    header: &["#define GRADIENT 1\n"],
    body: include_str!("cross_entropy.cu"),
};

/// Logits `z [n, V]` and whole numbers `targets [n]` -> `logsumexp(z) - z[target]` as float32 `[n]`, and, if asked for,
/// its gradient with respect to `z`, `[n, V]`. A target outside `0..V` makes its row's loss NaN. The results have no
/// gradient themselves.
pub(crate) fn cross_entropy(
    z: &Array,
    targets: &Array,
    gradient: bool,
) -> Result<(Array, Option<Array>)> {
    const THREADS: i32 = 1024;
    let (n, size) = (z.dim(0)?, z.dim(1)?);
    let targets = ops::astype(targets, Dtype::Int32)?;
    let call = rows(n, THREADS)
        .dtype("T", z.dtype())
        .constant("V", size)
        .constant("THREADS", THREADS)
        .output(&[n], Dtype::Float32);
    if !gradient {
        let mut out = LOSSES.launch(&[z, &targets], &call)?;
        return Ok((out.swap_remove(0), None));
    }
    let call = call.output(&[n, size], z.dtype());
    let mut out = WITH_GRADIENT.launch(&[z, &targets], &call)?;
    let dz = out.pop();
    Ok((out.swap_remove(0), dz))
}
