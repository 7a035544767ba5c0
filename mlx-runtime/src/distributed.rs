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
//! Tests: `tests/ranks.rs`, `tests/leaks/handles.rs`.

use std::ptr::null_mut;

use mlx_sys as sys;

use crate::backend::cuda;
use crate::device::Device;
use crate::error::from_c;
use crate::handles::c_string;
use crate::init::init as ready;
use crate::live::{live, Live};
use crate::lock::graph_lock;
use crate::stream::{self, ThreadLocalStream};
use crate::{ops, Array, Dtype, Error, Result};

pub use crate::generated::distributed::*;

/// The variables from which MLX sets NCCL up.
const NCCL: [&str; 4] = ["MLX_RANK", "MLX_WORLD_SIZE", "NCCL_HOST_IP", "NCCL_PORT"];

/// Processes that compute together. Owns one `mlx_distributed_group`.
///
/// NCCL's operations run on the current stream of a GPU. Those of the other backends run on a stream of the CPU that is
/// the group's own, whatever the current stream is, so that they overlap with other work.
pub struct Group {
    handle: sys::mlx_distributed_group,
    /// The streams of its operations; `None` is the current stream.
    streams: Option<ThreadLocalStream>,
    _live: live!(Group),
}

// SAFETY: the handle leads to a reference-counted group, which MLX changes only while it evaluates. `graph_lock` lets one
// thread at a time evaluate.
unsafe impl Send for Group {}
// SAFETY: as above; rank and size never change.
unsafe impl Sync for Group {}

/// The group that [`init`] found, or one of this process alone. `None` chooses the backend that is
/// there; `strict` makes it an error if none can be set up. MLX: `distributed.init`.
///
/// # Errors
/// If the backend does not exist, or cannot be set up and `strict` is set.
pub fn init(strict: bool, backend: Option<&str>) -> Result<Group> {
    const OP: &str = "distributed.init";
    ready();
    let nccl = match backend {
        Some(name) => name == "nccl",
        None => cuda::is_available()? && NCCL.iter().all(|name| std::env::var_os(name).is_some()),
    };
    let backend = backend.map(|b| c_string(OP, b)).transpose()?;
    let name = backend.as_ref().map_or(std::ptr::null(), |b| b.as_ptr());
    let mut group = Group::empty();
    let status = {
        // MLX keeps its groups in a table without a lock.
        let _lock = graph_lock();
        // SAFETY: the destination is ours; the name is null or valid.
        unsafe { sys::mlx_distributed_init(&mut group.handle, strict, name) }
    };
    let mut group = group.checked(OP, status)?;
    if group.size() > 1 && !nccl {
        group.streams = Some(ThreadLocalStream::new(Device::cpu())?);
    }
    Ok(group)
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

/// The array of process `root`, on every process, bit for bit, and evaluated. The others give an array of its shape and dtype, whose
/// values do not matter.
///
/// # Errors
/// If there is no such process, or the group's backend cannot sum bytes.
pub fn broadcast(x: &Array, root: usize, group: &Group) -> Result<Array> {
    if root >= group.size() {
        let text = format!("no process {root} in a group of {}", group.size());
        return Err(Error::invalid("broadcast", text));
    }
    if group.size() == 1 || x.size() == 0 {
        return Ok(x.clone());
    }
    // A sum of floats would lose the sign of zero.
    let flat = ops::contiguous(&ops::reshape(x, &[-1])?, false)?;
    let mut bytes = ops::view(&flat, Dtype::Uint8)?;
    if group.rank() != root {
        bytes = ops::zeros(bytes.shape(), Dtype::Uint8)?;
    }
    let sum = all_sum(&bytes, Some(group))?;
    let x = ops::reshape(&ops::view(&sum, x.dtype())?, x.shape())?;
    // The graphs of the processes differ, and what else is in them must not change the order of the operations.
    x.eval()?;
    Ok(x)
}

/// Runs `f` on the stream of the group's operations.
pub(crate) fn on<T>(group: Option<&Group>, f: impl FnOnce() -> Result<T>) -> Result<T> {
    match group.and_then(|g| g.streams.as_ref()) {
        Some(streams) => stream::with(&streams.here()?, f),
        None => f(),
    }
}

impl Group {
    /// A handle without a value.
    fn empty() -> Self {
        Group {
            // SAFETY: makes a handle without a value.
            handle: unsafe { sys::mlx_distributed_group_new() },
            streams: None,
            _live: Live::new(),
        }
    }

    /// This process' number in the group. MLX: `Group.rank`.
    pub fn rank(&self) -> usize {
        // SAFETY: the handle is valid. A failure reads as 0, and ranks are not negative.
        usize::try_from(unsafe { sys::mlx_distributed_group_rank(self.handle) }).unwrap_or(0)
    }

    /// The number of processes. MLX: `Group.size`.
    pub fn size(&self) -> usize {
        // SAFETY: the handle is valid.
        usize::try_from(unsafe { sys::mlx_distributed_group_size(self.handle) }).unwrap_or(1)
    }

    /// The group of those processes that give the same `color`, in the order of their keys.
    /// MLX: `Group.split`.
    ///
    /// # Errors
    /// If the backend cannot split groups; a group of one process cannot be split.
    pub fn split(&self, color: i32, key: i32) -> Result<Group> {
        let mut group = Group::empty();
        // SAFETY: both handles are ours.
        let status =
            unsafe { sys::mlx_distributed_group_split(&mut group.handle, self.handle, color, key) };
        let mut group = group.checked("distributed.split", status)?;
        group.streams.clone_from(&self.streams);
        Ok(group)
    }

    /// Returns true if its operations run beside those of the current stream.
    pub(crate) fn has_own_stream(&self) -> bool {
        self.streams.is_some()
    }

    /// The handle of an optional group; null stands for the one that MLX set up first.
    pub(crate) fn raw(group: Option<&Group>) -> sys::mlx_distributed_group {
        sys::mlx_distributed_group {
            ctx: group.map_or(null_mut(), |g| g.handle.ctx),
        }
    }

    fn checked(self, op: &'static str, status: i32) -> Result<Self> {
        if status != 0 {
            return Err(from_c(op, &[]));
        }
        if self.handle.ctx.is_null() {
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
        unsafe { sys::mlx_distributed_group_free(self.handle) };
    }
}
