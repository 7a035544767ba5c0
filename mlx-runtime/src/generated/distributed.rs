//! Collective operations.
//!
//! Written by `cargo xtask generate` from `xtask/src/wrappers/rows/distributed.toml`.

use mlx_sys as sys;

use crate::array::build;
use crate::distributed::Group;
use crate::{Array, Dtype, Result};

/// The arrays of all processes one after the other along the first axis.
/// MLX: `distributed.all_gather`.
///
/// # Errors
/// If the group's backend cannot.
pub fn all_gather(x: &Array, group: Option<&Group>) -> Result<Array> {
    const OP: &str = "all_gather";

    crate::distributed::on(group, || {
        build(OP, &[x], |out, s| {
            // SAFETY: the inputs and the stream are valid, each list has its length; what the call
            // writes to is null; null inputs stand for "absent".
            unsafe { sys::mlx_distributed_all_gather(out, x.as_raw(), Group::raw(group), s) }
        })
    })
}

/// The largest of the processes' elements, `[..] -> [..]`. MLX: `distributed.all_max`.
///
/// # Errors
/// If the group's backend cannot.
pub fn all_max(x: &Array, group: Option<&Group>) -> Result<Array> {
    const OP: &str = "all_max";

    crate::distributed::on(group, || {
        build(OP, &[x], |out, s| {
            // SAFETY: the inputs and the stream are valid, each list has its length; what the call
            // writes to is null; null inputs stand for "absent".
            unsafe { sys::mlx_distributed_all_max(out, x.as_raw(), Group::raw(group), s) }
        })
    })
}

/// The smallest of the processes' elements, `[..] -> [..]`. MLX: `distributed.all_min`.
///
/// # Errors
/// If the group's backend cannot.
pub fn all_min(x: &Array, group: Option<&Group>) -> Result<Array> {
    const OP: &str = "all_min";

    crate::distributed::on(group, || {
        build(OP, &[x], |out, s| {
            // SAFETY: the inputs and the stream are valid, each list has its length; what the call
            // writes to is null; null inputs stand for "absent".
            unsafe { sys::mlx_distributed_all_min(out, x.as_raw(), Group::raw(group), s) }
        })
    })
}

/// The sum of the processes' elements, `[..] -> [..]`. MLX: `distributed.all_sum`.
///
/// # Errors
/// If the group's backend cannot.
pub fn all_sum(x: &Array, group: Option<&Group>) -> Result<Array> {
    const OP: &str = "all_sum";

    crate::distributed::on(group, || {
        build(OP, &[x], |out, s| {
            // SAFETY: the inputs and the stream are valid, each list has its length; what the call
            // writes to is null; null inputs stand for "absent".
            unsafe { sys::mlx_distributed_all_sum(out, x.as_raw(), Group::raw(group), s) }
        })
    })
}

/// The array of `shape` and `dtype` that process `src` sends. MLX: `distributed.recv`.
///
/// # Errors
/// If a dimension is negative, there is no such process, or the group is of one process.
pub fn recv(shape: &[i32], dtype: Dtype, src: i32, group: Option<&Group>) -> Result<Array> {
    const OP: &str = "recv";
    crate::ops::check_new_shape(OP, shape)?;

    crate::distributed::on(group, || {
        build(OP, &[], |out, s| {
            // SAFETY: the inputs and the stream are valid, each list has its length; what the call
            // writes to is null; null inputs stand for "absent".
            unsafe {
                sys::mlx_distributed_recv(
                    out,
                    shape.as_ptr(),
                    shape.len(),
                    dtype.as_raw(),
                    src,
                    Group::raw(group),
                    s,
                )
            }
        })
    })
}

/// [`recv`] with the shape and dtype of `x`. MLX: `distributed.recv_like`.
///
/// # Errors
/// If there is no such process, or the group is of one process.
pub fn recv_like(x: &Array, src: i32, group: Option<&Group>) -> Result<Array> {
    const OP: &str = "recv_like";

    crate::distributed::on(group, || {
        build(OP, &[x], |out, s| {
            // SAFETY: the inputs and the stream are valid, each list has its length; what the call
            // writes to is null; null inputs stand for "absent".
            unsafe { sys::mlx_distributed_recv_like(out, x.as_raw(), src, Group::raw(group), s) }
        })
    })
}

/// Sends `x` to process `dst` when the result, which is `x`, is evaluated.
/// MLX: `distributed.send`.
///
/// # Errors
/// If there is no such process, or the group is of one process.
pub fn send(x: &Array, dst: i32, group: Option<&Group>) -> Result<Array> {
    const OP: &str = "send";

    crate::distributed::on(group, || {
        build(OP, &[x], |out, s| {
            // SAFETY: the inputs and the stream are valid, each list has its length; what the call
            // writes to is null; null inputs stand for "absent".
            unsafe { sys::mlx_distributed_send(out, x.as_raw(), dst, Group::raw(group), s) }
        })
    })
}

/// This process' part along the first axis of the sum over all processes.
/// MLX: `distributed.sum_scatter`.
///
/// # Errors
/// If the group's backend cannot.
pub fn sum_scatter(x: &Array, group: Option<&Group>) -> Result<Array> {
    const OP: &str = "sum_scatter";

    crate::distributed::on(group, || {
        build(OP, &[x], |out, s| {
            // SAFETY: the inputs and the stream are valid, each list has its length; what the call
            // writes to is null; null inputs stand for "absent".
            unsafe { sys::mlx_distributed_sum_scatter(out, x.as_raw(), Group::raw(group), s) }
        })
    })
}
