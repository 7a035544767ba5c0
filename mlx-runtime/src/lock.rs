//! One evaluation at a time.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held while MLX evaluates: it writes to graph nodes that threads may share, without a lock.
///
/// What is built, differentiated or dropped needs none as long as threads share evaluated arrays
/// only, which is what `Array` asks of its users.
pub(crate) struct GraphLock {
    _guard: Option<MutexGuard<'static, ()>>,
}

thread_local! {
    static LOCK_DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Lets one thread at a time evaluate. Reentrant, since dropping a user's closure at the end of
/// an evaluation may evaluate something else.
pub(crate) fn graph_lock() -> GraphLock {
    crate::stream::settle();
    static LOCK: Mutex<()> = Mutex::new(());
    let depth = LOCK_DEPTH.get();
    let guard = (depth == 0).then(|| LOCK.lock().unwrap_or_else(PoisonError::into_inner));
    LOCK_DEPTH.set(depth + 1);
    GraphLock { _guard: guard }
}

impl Drop for GraphLock {
    fn drop(&mut self) {
        LOCK_DEPTH.set(LOCK_DEPTH.get() - 1);
    }
}
