//! Maps a function over many items on all processors.
//!
//! Tests: `tests/many_rows.rs`.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The usual stack of a program's first thread.
const STACK: usize = 8 << 20;
/// Fewer items are done before threads have started.
const FEW: usize = 256;

/// Threads that are started when there is work for them.
#[derive(Default)]
pub struct Workers(Option<ThreadPool>);

impl Workers {
    /// `f` of each item, in order.
    pub fn map<T: Sync, R: Send>(&mut self, items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
        if self.0.is_none() && items.len() >= FEW {
            // If the system gives no threads, the calling thread does the work.
            self.0 = ThreadPoolBuilder::new().stack_size(STACK).build().ok();
        }
        match &self.0 {
            Some(pool) => pool.install(|| items.par_iter().map(&f).collect()),
            None => items.iter().map(f).collect(),
        }
    }
}
