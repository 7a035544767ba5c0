//! The CUDA kernels of cross entropy: losses of rows of logits with their gradient, and rows times numbers.
//!
//! Tests: `mlx-models --test native_kernels`.

use crate::kernels::launch::{rows, Kernel};
use crate::kernels::select::is_packs;
use crate::{ops, Array, Dtype, Result};

const LOSSES: Kernel = Kernel {
    name: "losses_with_gradient",
    inputs: &["z", "targets"],
    outputs: &["losses", "dz"],
    header: &[],
    body: include_str!("cross_entropy.cu"),
};

const SCALE: Kernel = Kernel {
    name: "scale_rows",
    inputs: &["x", "by", "weights"],
    outputs: &["y"],
    header: &[],
    body: "
constexpr int N = Pack<T>::N;
const long row = long(blockIdx.x) * D;
const float factor = by[blockIdx.x] * weights[blockIdx.x];
const bool aligned = whole(x);
for (int at = threadIdx.x * N; at < D; at += blockDim.x * N) {
  Pack<T> pack = load(x + row + at, aligned);
#pragma unroll
  for (int j = 0; j < N; ++j) {
    pack.v[j] = T(f32(pack.v[j]) * factor);
  }
  store(y + row + at, pack);
}
",
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

/// `x [n, D]`, numbers `by` and `weights [n]` -> each row times both of its numbers; there is no
/// gradient. `None` if rows are no whole packs.
pub(super) fn scale_rows(x: &Array, by: &Array, weights: &Array) -> Option<Result<Array>> {
    let [n, size] = *x.shape() else {
        return None;
    };
    let numbers = |a: &Array| a.shape() == [n];
    let fits = is_packs(size, x.dtype()) && x.size() > 0 && numbers(by) && numbers(weights);
    fits.then(|| {
        let launch = rows(n, 128)
            .dtype("T", x.dtype())
            .constant("D", size)
            .output(x.shape(), x.dtype());
        let (by, weights) = (
            ops::astype(by, Dtype::Float32)?,
            ops::astype(weights, Dtype::Float32)?,
        );
        Ok(SCALE.launch(&[x, &by, &weights], &launch)?.swap_remove(0))
    })
}
