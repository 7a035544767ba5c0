//! Rows of a table, picked by index.
//!
//! Tests: `mlx-models --test native_kernels`.

use super::launch::{rows, Kernel};
use super::select::{self, is_packs};
use crate::{ops, transforms, Array, Dtype, Result};

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

/// Threads of a block, which has one row.
const THREADS: i32 = 128;

/// `table [n, D]`, whole numbers `indices [..]` -> `[.., D]`, as [`ops::take`] along the first axis. With `frozen` there is no
/// gradient for the table.
pub(crate) fn take_rows(table: &Array, indices: &Array, frozen: bool) -> Result<Array> {
    // The kernel has no gradient.
    let plain = frozen || !transforms::is_differentiating();
    let launched = plain.then(|| launched(table, indices)).flatten();
    launched.unwrap_or_else(|| ops::take(table, indices, 0))
}

/// [`take_rows`] by one kernel. `None` if rows are no whole packs, or something is of another type.
fn launched(table: &Array, indices: &Array) -> Option<Result<Array>> {
    let [n, size] = *table.shape() else {
        return None;
    };
    let known = select::is_float(table.dtype()) || table.dtype() == Dtype::Uint32;
    let fits = known
        && matches!(indices.dtype(), Dtype::Int32 | Dtype::Uint32)
        && is_packs(size, table.dtype())
        && table.size() > 0
        && indices.size() > 0
        && select::on_cuda_in_any_dtype(indices);
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
