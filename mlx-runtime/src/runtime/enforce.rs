//! Refuses evaluations that would pass the memory limit, before they run.
//!
//! For MLX the limit is a guideline: above it an evaluation waits for running work before it allocates more, and
//! allocates then. On a CPU the system's allocator promises more memory than there is, and the process ends when the
//! pages are touched. If the allocator does refuse, MLX writes to the null pointer. So the graph is walked first.
//!
//! Tests: `tests/runtime.rs`.

use std::sync::atomic::Ordering;
use std::sync::OnceLock;

use super::guards::ENFORCED;
use super::limit::size;
use crate::forecast::{forecast_list, Forecast};
use crate::handles::VectorArray;
use crate::{backend, memory, Array, Error, ErrorKind, Result};

/// How much of an evaluation is checked before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The memory limit, if a runtime asks for it.
    Limit,
    /// That each array fits in the machine: the caller has planned the rest, and may have set another limit for the time
    /// being.
    Planned,
}

/// Returns true if a runtime asks that evaluations be checked.
#[inline]
pub(crate) fn is_on() -> bool {
    ENFORCED.load(Ordering::Relaxed)
}

/// MLX's limit while one evaluation runs that has to wait for its own results; puts the one before
/// back.
pub(crate) struct ShortQueue(usize);

impl Drop for ShortQueue {
    fn drop(&mut self) {
        // A limit that was set before is one that can be set again.
        let _ = memory::set_limit(self.0);
    }
}

/// Looks at an evaluation that is about to run. It may run while the result lives.
///
/// # Errors
/// [`ErrorKind::OutOfMemory`] if it would pass the limit.
pub(crate) fn admit(
    op: &'static str,
    arrays: &[&Array],
    list: &VectorArray,
    how: Check,
) -> Result<Option<ShortQueue>> {
    if !is_on() || how == Check::Planned {
        if arrays.iter().any(|a| a.nbytes() > host()) {
            refuse_impossible(op, list)?;
        }
        return Ok(None);
    }
    let (limit, active) = (memory::limit()?, memory::active()?);
    let room = limit.saturating_sub(active);
    let free = forecast_list(list, None)?;
    // An evaluation that allocates nothing passes no limit, even if one was set below the memory in use.
    if free.peak <= room || free.peak == 0 {
        return Ok(None);
    }
    // Above its limit MLX waits for queued work: it has to wait one operation earlier.
    let early = (limit - limit / 128).saturating_sub(free.largest);
    let short = forecast_list(list, Some(early.saturating_sub(active)))?;
    if short.peak > room {
        return Err(refusal(op, &short, active, limit));
    }
    Ok(Some(ShortQueue(memory::set_limit(early)?)))
}

/// The machine's memory, if MLX takes all of its memory from there and does not check for failure; otherwise no limit.
pub(crate) fn host() -> usize {
    static HOST: OnceLock<usize> = OnceLock::new();
    *HOST.get_or_init(|| {
        let gpu = backend::cuda::is_available().unwrap_or(true)
            || backend::metal::is_available().unwrap_or(true);
        match super::machine::physical_memory() {
            0 => usize::MAX,
            _ if gpu => usize::MAX,
            bytes => bytes,
        }
    })
}

/// Without a runtime, refuses an array that is larger than all of the machine's memory, unless it is a view such as a
/// broadcast.
#[cold]
fn refuse_impossible(op: &'static str, list: &VectorArray) -> Result<()> {
    let what = forecast_list(list, None)?;
    if what.largest > host() {
        let (one, all) = (size(what.largest), size(host()));
        let text = format!("one array needs {one}, but the machine has {all}");
        return Err(Error::new(ErrorKind::OutOfMemory, text)
            .with_op(op)
            .with_hint("work in smaller parts"));
    }
    Ok(())
}

/// Looks at an allocation of `bytes` for data of the caller's.
///
/// # Errors
/// [`ErrorKind::OutOfMemory`] if it would pass the limit.
pub(crate) fn admit_bytes(op: &'static str, bytes: usize) -> Result<()> {
    if !is_on() {
        return Ok(());
    }
    let (limit, active) = (memory::limit()?, memory::active()?);
    if active.saturating_add(bytes) <= limit {
        return Ok(());
    }
    let what = Forecast {
        peak: bytes,
        ..Forecast::default()
    };
    Err(refusal(op, &what, active, limit))
}

#[cold]
fn refusal(op: &'static str, what: &Forecast, active: usize, limit: usize) -> Error {
    let (needs, active, limit) = (size(what.peak), size(active), size(limit));
    let one = if what.largest > what.peak / 2 {
        format!(", {} of it for one operation", size(what.largest))
    } else {
        String::new()
    };
    let text =
        format!("this needs {needs}{one}, but {active} of the memory limit of {limit} is in use");
    Error::new(ErrorKind::OutOfMemory, text)
        .with_op(op)
        .with_hint(
            "work in smaller parts, drop arrays that are no longer needed, or raise the limit \
             (`Runtime::builder().memory_limit(..)`)",
        )
}
