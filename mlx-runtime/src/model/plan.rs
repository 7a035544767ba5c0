//! Predicts the memory of a training step, and chooses its gradient checkpoints.
//!
//! Tests: `mlx-tests --test memory`.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use super::cuts::{self, Cut, Stack};
use super::layers::Cuts;
use super::train::Next;
use super::{Checkpoint, MemoryPlan, TrainStep, Trainable};
use crate::forecast::forecast_in_turn;
use crate::kernels::select;
use crate::runtime::enforce::{self, Check};
use crate::{memory, transforms, Array, Dtype, Result};

/// The checkpoints and memory limits of steps on batches of one shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Decision {
    pub cuts: Vec<Cut>,
    pub nested: bool,
    /// MLX's memory limit during a step, if its queue must be kept short and no other step may run.
    pub limit: Option<usize>,
    /// MLX's memory limit during a step otherwise.
    queue: usize,
    /// True if it passes the limit, because the caller asked for its policy.
    over: bool,
}

/// The decisions so far.
#[derive(Default)]
pub(super) struct Decisions {
    by_shape: HashMap<Vec<(Vec<i32>, Dtype)>, Decision>,
    /// The memory limit and the active memory that they hold for.
    limit: usize,
    active: usize,
}

impl Decisions {
    /// The decision for batches of this shape, if it was made under the memory limit of now and
    /// nothing stands against it.
    pub fn known(&self, batch: &[Array]) -> Result<Option<&Decision>> {
        let found = self.by_shape.get(&key(batch));
        let same = self.limit == memory::limit()?;
        Ok(found.filter(|d| same && !(d.over && enforce::is_on())))
    }
}

fn key(batch: &[Array]) -> Vec<(Vec<i32>, Dtype)> {
    let one = |a: &Array| (a.shape().to_vec(), a.dtype());
    batch.iter().map(one).collect()
}

/// The most shapes of batches with a remembered decision.
const SHAPES: usize = 1000;

impl Decision {
    pub fn cuts(&self, policy: Option<Checkpoint>) -> Cuts {
        Cuts {
            policy,
            decided: Some(self.cuts.clone()),
            nested: self.nested,
            ..Cuts::default()
        }
    }

    /// Hashes everything that makes two decisions' graphs differ.
    pub fn hash_cuts(&self, into: &mut impl Hasher) {
        self.nested.hash(into);
        self.cuts.hash(into);
    }

    /// Evaluates the arrays of a step.
    pub fn evaluate(&self, arrays: &[&Array]) -> Result<()> {
        let limit = self.limit.unwrap_or(self.queue.min(memory::limit()?));
        within(limit, || transforms::eval_as(arrays, Check::Planned))
    }

    /// Starts to evaluate the arrays of a step while the step before it may still run. MLX waits if the two would take
    /// more than one does.
    pub fn start(&self, arrays: &[&Array]) -> Result<()> {
        let limit = self.queue.min(memory::limit()?);
        within(limit, || transforms::async_eval_as(arrays, Check::Planned))
    }
}

/// Runs `f` with another memory limit.
fn within<T>(limit: usize, f: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            // A limit that was set before is one that can be set again.
            let _ = memory::set_limit(self.0);
        }
    }
    let _restore = Restore(memory::set_limit(limit)?);
    f()
}

/// Bytes above a step's least need at which MLX waits for a GPU's queue. They are only waiting to be freed. This is
/// enough work for the host to stay ahead; without a limit the queue holds some layers of a large batch. On a CPU it
/// holds microseconds of work.
const QUEUED: usize = 1 << 30;

/// MLX's memory limit while a GPU computes a step that needs `least` bytes: above it, MLX waits for the queue. `full` is what
/// the step takes with a full queue, if a lower limit costs more than the queue's memory is worth; `early` is the most that
/// MLX may have when it looks.
fn queue_limit(least: usize, full: Option<usize>, early: usize, limit: usize) -> usize {
    match full {
        Some(full) if full <= early => limit,
        _ => least.saturating_add(QUEUED).min(early),
    }
}

/// The predicted cost of a step with some decision.
struct Measured {
    decision: Decision,
    next: Next,
    stacks: Vec<Stack>,
    /// The most bytes in use at one time.
    peak: usize,
    operations: usize,
    kernels: usize,
}

impl<M: Trainable> TrainStep<M> {
    /// Predicts the memory of a step on a batch, and decides how to take it. No step is taken. Weights that are not yet
    /// read from their file are read.
    ///
    /// The peak comes from the graph of the step itself: its operations in MLX's order, with the bytes that each
    /// allocates, reuses and frees. On a CPU it is close to the value of [`memory::peak`] after the step; on a GPU it
    /// is an estimate.
    ///
    /// # Errors
    /// Returns the error of the loss function or of MLX. A batch that does not fit in the memory limit is no error
    /// here: [`MemoryPlan::check`] makes it one.
    pub fn plan(&self, batch: &[Array]) -> Result<MemoryPlan> {
        let weights = self.model.frozen();
        transforms::eval(&weights.iter().collect::<Vec<_>>())?;
        let (base, limit) = (memory::active()?, memory::limit()?);
        let found = self.search(batch, 0.0, base, limit)?;
        let bytes = |arrays: &[Array]| arrays.iter().map(Array::nbytes).sum();
        let frozen = bytes(&weights);
        let trained = bytes(&self.at.buffers);
        let optimizer = bytes(self.at.state.arrays());
        Ok(MemoryPlan {
            predicted_peak: found.peak,
            limit,
            policy: self.options.checkpoint,
            spans: found
                .stacks
                .iter()
                .zip(&found.decision.cuts)
                .map(super::memory_plan::spans)
                .collect(),
            nested: found.decision.nested,
            short_queue: found.decision.limit.is_some(),
            weights: frozen,
            trained,
            optimizer,
            others: base.saturating_sub(frozen + trained + optimizer),
            activations: cuts::peak(&found.stacks, &found.decision.cuts).min(found.peak - base),
            operations: found.operations,
            kernels: found.kernels,
        })
    }

    /// As [`TrainStep::plan`], with the stacks of layers cut as `checkpoint` says.
    ///
    /// # Errors
    /// As [`TrainStep::plan`].
    pub fn plan_as(
        &mut self,
        batch: &[Array],
        checkpoint: Option<Checkpoint>,
    ) -> Result<MemoryPlan> {
        let own = std::mem::replace(&mut self.options.checkpoint, checkpoint);
        let plan = self.plan(batch);
        self.options.checkpoint = own;
        plan
    }

    /// The graph of a step, with the decision for batches of this shape.
    pub(super) fn decide(&mut self, batch: &[Array], lr: f32) -> Result<(Decision, Next)> {
        let (decision, next) = self.decision(batch, lr)?;
        let next = match next {
            Some(next) => next,
            None => self.again(batch, lr, &decision)?,
        };
        Ok((decision, next))
    }

    /// The decision for batches of this shape, with the graph if it had to be made for that.
    pub(super) fn decision(
        &mut self,
        batch: &[Array],
        lr: f32,
    ) -> Result<(Decision, Option<Next>)> {
        let key = key(batch);
        let (active, limit) = (memory::active()?, memory::limit()?);
        // Another limit, or much more in use than then, is another question.
        let seen = &mut self.decisions;
        if limit != seen.limit || active > seen.active + limit / 64 || seen.by_shape.len() > SHAPES
        {
            seen.by_shape.clear();
            (seen.limit, seen.active) = (limit, active);
        }
        if let Some(decision) = seen.by_shape.get(&key) {
            let decision = decision.clone();
            if decision.over && enforce::is_on() {
                return Err(self.plan(batch)?.refusal());
            }
            return Ok((decision, None));
        }
        let found = self.search(batch, lr, active, limit)?;
        // An explicit policy overrides the memory limit unless enforcement is on.
        let open = matches!(self.options.checkpoint, None | Some(Checkpoint::Auto));
        if found.peak > limit && (open || enforce::is_on()) {
            drop(found);
            return Err(self.plan(batch)?.refusal());
        }
        self.decisions.by_shape.insert(key, found.decision.clone());
        Ok((found.decision, Some(found.next)))
    }

    /// The cheapest way to take a step within the limit; the one with the least memory if none is.
    fn search(&self, batch: &[Array], lr: f32, base: usize, limit: usize) -> Result<Measured> {
        let measure = |decision: Decision| self.measure(batch, lr, decision, base, limit);
        let whole = measure(Decision::default())?;
        if whole.peak <= limit || whole.stacks.is_empty() {
            return Ok(whole);
        }
        let stacks = whole.stacks.clone();
        let (mut best, peak) = (whole, |m: &Measured| m.peak);
        let found = cuts::search(&stacks, peak(&best), limit, |cuts| {
            let tried = measure(Decision {
                cuts: cuts.to_vec(),
                ..Decision::default()
            })?;
            let peak = tried.peak;
            // The last that fits is the cheapest; of those that do not, the smallest is shown.
            if peak <= limit || peak < best.peak {
                best = tried;
            }
            Ok::<_, crate::Error>(peak)
        })?;
        if found.is_none() && stacks.iter().any(|s| s.nested) {
            let tried = measure(Decision {
                cuts: cuts::first(&stacks, cuts::layers(&stacks)),
                nested: true,
                ..Decision::default()
            })?;
            if tried.peak < best.peak {
                best = tried;
            }
        }
        Ok(best)
    }

    fn measure(
        &self,
        batch: &[Array],
        lr: f32,
        mut decision: Decision,
        base: usize,
        limit: usize,
    ) -> Result<Measured> {
        let (next, stacks) = self.graph(batch, lr, decision.cuts(self.options.checkpoint))?;
        decision.cuts.resize(stacks.len(), Cut::default());
        let arrays = next.arrays();
        let in_turn = forecast_in_turn(&arrays)?;
        // Above its limit MLX waits for queued work: it has to wait one operation earlier.
        let early = (limit - limit / 128).saturating_sub(in_turn.largest);
        let within = |limit: usize| memory::forecast_within(&arrays, limit.saturating_sub(base));
        let (free, mut peak);
        if select::is_on_gpu()? {
            // MLX looks after it has queued, and a task is done before its memory is free.
            let early = early.saturating_sub(limit / 128);
            let full = match select::limits_cache_by_memory()? {
                true => Some(base.saturating_add(memory::forecast(&arrays)?.peak)),
                false => None,
            };
            decision.queue = queue_limit(base.saturating_add(in_turn.peak), full, early, limit);
            free = within(decision.queue)?;
            peak = base.saturating_add(free.peak);
        } else {
            free = memory::forecast(&arrays)?;
            peak = base.saturating_add(free.peak);
            decision.queue = peak + peak / 32 + (256 << 20);
            if peak > limit - limit / 16 {
                peak = peak.min(base.saturating_add(within(early)?.peak));
                decision.limit = Some(early);
            }
        }
        decision.over = peak > limit;
        drop(arrays);
        Ok(Measured {
            decision,
            next,
            stacks,
            peak,
            operations: free.operations,
            kernels: free.kernels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: usize = 1 << 30;

    #[test]
    fn a_queue_is_shortened_where_that_empties_no_cache_or_memory_is_short() {
        let (early, limit) = (98 * GB, 100 * GB);
        assert_eq!(queue_limit(20 * GB, None, early, limit), 21 * GB);
        assert_eq!(queue_limit(98 * GB, None, early, limit), early);
        assert_eq!(queue_limit(20 * GB, Some(40 * GB), early, limit), limit);
        assert_eq!(queue_limit(60 * GB, Some(120 * GB), early, limit), 61 * GB);
    }
}
