//! Operations along one axis, which the language always names.
//!
//! Tests: `mlx-tests --test language`, `--test rules`.

use crate::{ops, Array, Result};

macro_rules! along_axis {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {$(
        #[doc = concat!("[`ops::", stringify!($name), "`] along one axis.")]
        pub fn $name(a: &Array, $($arg: $ty),*) -> Result<Array> {
            ops::$name(a, $($arg),*)
        }
    )*};
}

along_axis! {
    sort(axis: i32);
    argsort(axis: i32);
    partition(kth: i32, axis: i32);
    argpartition(kth: i32, axis: i32);
    topk(k: i32, axis: i32);
    take(indices: &Array, axis: i32);
    repeat(repeats: i32, axis: i32);
    argmax(axis: i32, keepdims: bool);
    argmin(axis: i32, keepdims: bool);
    cumsum(axis: i32, reverse: bool, inclusive: bool);
    cumprod(axis: i32, reverse: bool, inclusive: bool);
    cummax(axis: i32, reverse: bool, inclusive: bool);
    cummin(axis: i32, reverse: bool, inclusive: bool);
    logcumsumexp(axis: i32, reverse: bool, inclusive: bool);
}

/// Arrays one after the other along one axis.
pub fn concatenate(arrays: &[&Array], axis: i32) -> Result<Array> {
    ops::concatenate(arrays, axis)
}

/// Arrays along a new axis.
pub fn stack(arrays: &[&Array], axis: i32) -> Result<Array> {
    ops::stack(arrays, axis)
}
