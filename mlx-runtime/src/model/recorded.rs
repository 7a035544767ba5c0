//! Records steps once for each shape of batch, so that a GPU does not wait for their graph.
//!
//! Tests: `mlx-models --test native_kernels`.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::plan::Decision;
use super::train::Body;
use crate::kernels::select;
use crate::transforms::{self, CompileCache};
use crate::{graph, Array, Result};

/// A step's function, which a recording shares with the trainer.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Body>>);

impl Shared {
    pub fn new(body: Body) -> Self {
        Shared(Arc::new(Mutex::new(body)))
    }

    pub fn get(&self) -> MutexGuard<'_, Body> {
        // A panic in a loss function leaves the body as it was: nothing in it changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// MLX's recordings of one trainer's steps.
pub(super) struct Recorded {
    /// The id under which MLX keeps them.
    id: usize,
}

impl Recorded {
    /// Records if asked, or else on a GPU: on a CPU a compiler builds each fused kernel, which takes seconds.
    pub fn new(asked: Option<bool>) -> Result<Option<Self>> {
        // Far from the addresses and the small numbers of other functions.
        static NEXT: AtomicUsize = AtomicUsize::new(1 << 62);
        let on = match asked {
            Some(on) => on,
            None => select::is_on_gpu()?,
        };
        Ok(on.then(|| Recorded {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }))
    }

    /// The outputs of the loss function and the gradients in [`Body::layout`], from its recording if there is one. The update
    /// is not recorded: a few operations need no recording.
    pub fn gradients(
        &self,
        body: &Shared,
        buffers: &[Array],
        batch: &[Array],
        decision: &Decision,
    ) -> Result<(Vec<Array>, Vec<Array>)> {
        let (count, outputs) = (buffers.len(), body.get().layout().count());
        let inputs: Vec<Array> = buffers.iter().chain(batch).cloned().collect();
        let body = body.clone();
        let both = move |inputs: &[Array]| {
            let (buffers, batch) = inputs.split_at(count);
            let body = body.get();
            let (mut values, grads) = body.gradients(buffers, batch, body.layout())?;
            values.extend(grads);
            graph::simplify(&values.iter().collect::<Vec<_>>())
        };
        // Steps that are cut elsewhere are other functions.
        let mut hash = DefaultHasher::new();
        decision.hash_cuts(&mut hash);
        let compiled = transforms::compile_as(both, self.id, false, &[hash.finish()]);
        let call = || compiled.call(&inputs);
        let mut values = match select::compiles_for_seconds() {
            true => transforms::without_fusing(call)?,
            false => call()?,
        };
        let grads = values.split_off(values.len() - outputs);
        Ok((values, grads))
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // Recordings of other threads end with those threads.
        if let Ok(cache) = CompileCache::current() {
            let _ = cache.erase(self.id);
        }
    }
}
