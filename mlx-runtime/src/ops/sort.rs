//! Orders and searches.

use mlx_sys as sys;

use super::unless_empty;
use crate::array::build;
use crate::{Array, Result};

macro_rules! along_axis {
    ($($(#[$doc:meta])* $name:ident => $c:ident $(, $arg:ident)?;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If the axis does not exist, or an argument is out of its range.
        pub fn $name(a: &Array, $($arg: i32,)? axis: i32) -> Result<Array> {
            build(stringify!($name), &[a], |out, s| {
                // SAFETY: the input and the stream are valid; `out` is a null destination.
                unsafe { sys::$c(out, a.as_raw(), $($arg,)? axis, s) }
            })
            .and_then(unless_empty)
        }
    )*};
}

along_axis! {
    /// The elements in ascending order along `axis`, `[..] -> [..]`. MLX: `sort`.
    sort => mlx_sort_axis;
    /// The indices, as uint32, that sort `a` along `axis`, `[..] -> [..]`. MLX: `argsort`.
    argsort => mlx_argsort_axis;
    /// The elements with the `kth` smallest at its sorted place, smaller ones before it.
    /// MLX: `partition`.
    partition => mlx_partition_axis, kth;
    /// The indices, as uint32, that [`partition`] `a`. MLX: `argpartition`.
    argpartition => mlx_argpartition_axis, kth;
    /// The `k` largest elements along `axis`, in no certain order, `[.., n, ..] -> [.., k, ..]`.
    /// MLX: `topk`.
    topk => mlx_topk_axis, k;
}
