//! Orders and searches.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use mlx_sys as sys;

use crate::array::build;
use crate::{Array, Result};

macro_rules! along_axis {
    ($($(#[$doc:meta])* $name:ident => $c:ident, $all:ident $(, $arg:ident)?;)*) => {$(
        $(#[$doc])*
        /// `None` flattens the array first.
        ///
        /// # Errors
        /// If the axis does not exist, or an argument is out of its range.
        pub fn $name(
            a: &Array,
            $($arg: i32,)?
            axis: impl Into<Option<i32>>,
        ) -> Result<Array> {
            let axis = axis.into();
            build(stringify!($name), &[a], |out, s| {
                // SAFETY: the input and the stream are valid; `out` is a null destination.
                unsafe {
                    match axis {
                        None => sys::$all(out, a.as_raw(), $($arg,)? s),
                        Some(axis) => sys::$c(out, a.as_raw(), $($arg,)? axis, s),
                    }
                }
            })
        }
    )*};
}

along_axis! {
    /// The elements in ascending order along `axis`, `[..] -> [..]`. MLX: `sort`.
    sort => mlx_sort_axis, mlx_sort;
    /// The indices, as uint32, that sort `a` along `axis`, `[..] -> [..]`. MLX: `argsort`.
    argsort => mlx_argsort_axis, mlx_argsort;
    /// The elements with the `kth` smallest at its sorted place, smaller ones before it.
    /// MLX: `partition`.
    partition => mlx_partition_axis, mlx_partition, kth;
    /// The indices, as uint32, that [`partition`] `a`. MLX: `argpartition`.
    argpartition => mlx_argpartition_axis, mlx_argpartition, kth;
    /// The `k` largest elements along `axis`, in no certain order, `[.., n, ..] -> [.., k, ..]`.
    /// MLX: `topk`.
    topk => mlx_topk_axis, mlx_topk, k;
}
