//! Groups of processes, and collective operations. MLX: `mlx.core.distributed`.
//!
//! MLX talks over MPI, sockets (`ring`), NCCL or Thunderbolt (`jaccl`), whichever it was built with
//! and finds set up. Without any, [`init`] gives a group of this process alone, in which every
//! collective operation returns its input.
//!
//! ```
//! use mlx_runtime::{distributed, Array};
//! let group = distributed::init(false, None)?;
//! let mean = distributed::all_sum(&Array::scalar(2.0f32)?, Some(&group))?;
//! assert_eq!(mean.item::<f32>()?, 2.0 * group.size() as f32);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! Tests: `tests/leaks/handles.rs`.

use std::ptr::null_mut;

use mlx_sys as sys;

use crate::error::from_c;
use crate::handles::c_string;
use crate::init::init as ready;
use crate::live::{live, Live};
use crate::{Error, Result};

pub use crate::generated::distributed::*;

/// Processes that compute together. Owns one `mlx_distributed_group`.
pub struct Group(sys::mlx_distributed_group, live!(Group));

/// The group that [`init`] found, or one of this process alone. `None` chooses the backend that is
/// there; `strict` makes it an error if none can be set up. MLX: `distributed.init`.
///
/// # Errors
/// If the backend does not exist, or cannot be set up and `strict` is set.
pub fn init(strict: bool, backend: Option<&str>) -> Result<Group> {
    const OP: &str = "distributed.init";
    ready();
    let backend = backend.map(|b| c_string(OP, b)).transpose()?;
    let name = backend.as_ref().map_or(std::ptr::null(), |b| b.as_ptr());
    // SAFETY: makes a handle without a value.
    let mut group = Group(unsafe { sys::mlx_distributed_group_new() }, Live::new());
    // SAFETY: the destination is ours; the name is null or valid.
    let status = unsafe { sys::mlx_distributed_init(&mut group.0, strict, name) };
    group.checked(OP, status)
}

/// Returns true if MLX can talk to other processes through a backend, or through any backend if `None`. MLX:
/// `distributed.is_available`.
///
/// # Errors
/// If the name contains a NUL byte.
pub fn is_available(backend: Option<&str>) -> Result<bool> {
    ready();
    let backend = backend
        .map(|b| c_string("distributed.is_available", b))
        .transpose()?;
    let name = backend.as_ref().map_or(std::ptr::null(), |b| b.as_ptr());
    // SAFETY: the name is null or valid.
    Ok(unsafe { sys::mlx_distributed_is_available(name) })
}

impl Group {
    /// This process' number in the group. MLX: `Group.rank`.
    pub fn rank(&self) -> usize {
        // SAFETY: the handle is valid. A failure reads as 0, and ranks are not negative.
        usize::try_from(unsafe { sys::mlx_distributed_group_rank(self.0) }).unwrap_or(0)
    }

    /// The number of processes. MLX: `Group.size`.
    pub fn size(&self) -> usize {
        // SAFETY: the handle is valid.
        usize::try_from(unsafe { sys::mlx_distributed_group_size(self.0) }).unwrap_or(1)
    }

    /// The group of those processes that give the same `color`, in the order of their keys.
    /// MLX: `Group.split`.
    ///
    /// # Errors
    /// If the backend cannot split groups; a group of one process cannot be split.
    pub fn split(&self, color: i32, key: i32) -> Result<Group> {
        // SAFETY: makes a handle without a value.
        let mut group = Group(unsafe { sys::mlx_distributed_group_new() }, Live::new());
        // SAFETY: both handles are ours.
        let status = unsafe { sys::mlx_distributed_group_split(&mut group.0, self.0, color, key) };
        group.checked("distributed.split", status)
    }

    /// The handle of an optional group; null stands for the one that MLX set up first.
    pub(crate) fn raw(group: Option<&Group>) -> sys::mlx_distributed_group {
        sys::mlx_distributed_group {
            ctx: group.map_or(null_mut(), |g| g.0.ctx),
        }
    }

    fn checked(self, op: &'static str, status: i32) -> Result<Self> {
        if status != 0 {
            return Err(from_c(op, &[]));
        }
        if self.0.ctx.is_null() {
            return Err(Error::new(
                crate::ErrorKind::Device,
                "no group with this backend: expected one that MLX was built with",
            )
            .with_op(op));
        }
        Ok(self)
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({} of {})", self.rank(), self.size())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_distributed_group_free(self.0) };
    }
}
