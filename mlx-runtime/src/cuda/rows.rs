//! The kernels that read rows of a table, and multiply rows by numbers.
//!
//! Tests: `mlx-models --test native`.

use super::launch::{rows, Kernel};
use super::pack;
use crate::{ops, Array, Dtype, Result};

const TAKE: Kernel = Kernel {
    name: "take_rows",
    inputs: &["table", "indices"],
    outputs: &["y"],
    header: &[],
    body: "
constexpr int N = Pack<T>::N;
const int index = indices[blockIdx.x];
const long from = long(max(0, min(index < 0 ? index + ROWS : index, ROWS - 1))) * D;
const long to = long(blockIdx.x) * D;
const bool aligned = whole(table);
for (int at = threadIdx.x * N; at < D; at += blockDim.x * N) {
  store(y + to + at, load(table + from + at, aligned));
}
",
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

/// Threads of a block, which has one row.
const THREADS: i32 = 128;

/// `table [n, D]`, whole numbers `indices [..]` -> `[.., D]`, as [`ops::take`] along the first axis;
/// there is no gradient. `None` if rows are no whole packs, or something is of another type.
pub(crate) fn take_rows(table: &Array, indices: &Array) -> Option<Result<Array>> {
    let [n, size] = *table.shape() else {
        return None;
    };
    let known = matches!(
        table.dtype(),
        Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16 | Dtype::Uint32
    );
    let fits = known
        && matches!(indices.dtype(), Dtype::Int32 | Dtype::Uint32)
        && size % pack(table.dtype()) == 0
        && table.size() > 0
        && indices.size() > 0
        && super::ready(indices);
    fits.then(|| {
        let mut shape = indices.shape().to_vec();
        shape.push(size);
        let count = i32::try_from(indices.size()).unwrap_or(i32::MAX);
        let launch = rows(count, THREADS)
            .dtype("T", table.dtype())
            .constant("D", size)
            .constant("ROWS", n)
            .output(&shape, table.dtype());
        Ok(TAKE.launch(&[table, indices], &launch)?.swap_remove(0))
    })
}

/// `x [n, D]`, numbers `by` and `weights [n]` -> each row times both of its numbers; there is no
/// gradient. `None` if rows are no whole packs.
pub(crate) fn scale_rows(x: &Array, by: &Array, weights: &Array) -> Option<Result<Array>> {
    let [n, size] = *x.shape() else {
        return None;
    };
    let numbers = |a: &Array| a.shape() == [n];
    let fits = size % pack(x.dtype()) == 0
        && x.size() > 0
        && numbers(by)
        && numbers(weights)
        && super::available(x);
    fits.then(|| {
        let launch = rows(n, THREADS)
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
