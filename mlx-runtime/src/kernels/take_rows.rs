//! Rows of a table, picked by index.
//!
//! Tests: `mlx-models --test native_kernels`, unit tests below.

use mlx_macros::mlx_kernel;

use super::select;
use crate::{ops, transforms, Array, Dtype, Result};

#[mlx_kernel]
fn rows_of_floats(#[frozen] table: Tensor![V, D], at: Tensor![N; i32]) -> Tensor![N, D] {
    take(table, at, 0)
}

#[mlx_kernel]
fn rows_of_words(table: Tensor![V, D; u32], at: Tensor![N; i32]) -> Tensor![N, D; u32] {
    take(table, at, 0)
}

/// `table [n, D]`, whole numbers `indices [..]` -> `[.., D]`, as [`ops::take`] along the first axis. With `frozen` there is no
/// gradient for the table.
pub(crate) fn take_rows(table: &Array, indices: &Array, frozen: bool) -> Result<Array> {
    // The kernels have no gradient, which scatters.
    let plain = frozen || !transforms::is_differentiating();
    let launched = plain.then(|| launched(table, indices)).flatten();
    launched.unwrap_or_else(|| ops::take(table, indices, 0))
}

/// [`take_rows`] by one kernel, on CUDA alone: elsewhere MLX copies rows as fast.
fn launched(table: &Array, indices: &Array) -> Option<Result<Array>> {
    let words = table.dtype() == Dtype::Uint32;
    let fits = table.ndim() == 2
        && (words || select::is_float(table.dtype()))
        && matches!(indices.dtype(), Dtype::Int32 | Dtype::Uint32)
        && table.size() > 0
        && indices.size() > 0
        && select::on_cuda_in_any_dtype(indices);
    fits.then(|| picked(table, indices, words))
}

fn picked(table: &Array, indices: &Array, words: bool) -> Result<Array> {
    let mut shape = indices.shape().to_vec();
    shape.push(table.dim(1)?);
    let at = ops::reshape(&ops::view(indices, Dtype::Int32)?, &[-1])?;
    let rows = match words {
        true => rows_of_words(table, &at)?,
        false => rows_of_floats(table, &at)?,
    };
    ops::reshape(&rows, &shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_mlx() -> Result<()> {
        let table = ops::reshape(&ops::arange(0.0, 12.0, 1.0, Dtype::Uint32)?, &[4, 3])?;
        // An index counts from the end, or is held inside.
        let indices = Array::from_slice(&[2i32, -1, 0, 3, 1, -4], &[2, 3])?;
        for dtype in [Dtype::Uint32, Dtype::Float32, Dtype::Bfloat16] {
            let table = ops::astype(&table, dtype)?;
            let found = picked(&table, &indices, dtype == Dtype::Uint32)?;
            let wanted = ops::take(&table, &indices, 0)?;
            assert_eq!(found.shape(), [2, 3, 3]);
            assert!(ops::array_equal(&found, &wanted, false)?.item::<bool>()?);
        }
        Ok(())
    }
}
