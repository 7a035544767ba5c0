//! Starts steps that run while the next one is prepared.
//!
//! Tests: `mlx-tests --test training`.

use super::plan::Decision;
use super::train::Next;
use super::{TrainStep, Trainable};
use crate::optim::Skipped;
use crate::runtime::enforce::Check;
use crate::{ops, transforms, Array, Result};

/// A step that [`TrainStep::start`] started. Dropped, it is waited for as well: nothing runs on.
#[must_use = "a step that nobody waits for reports no error"]
pub struct Started {
    /// Taken by `wait`.
    values: Vec<Array>,
    /// The counters of steps left out, and the number allowed in a row.
    skipped: Option<(Array, u32)>,
}

impl Started {
    /// Waits for the step, and returns the number of steps left out up to this one; zero if steps are not checked.
    ///
    /// # Errors
    /// Returns the error that MLX reports.
    pub fn skipped(&self) -> Result<Skipped> {
        match &self.skipped {
            Some((counters, _)) => Skipped::read(counters),
            None => Ok(Skipped::default()),
        }
    }

    /// Waits for the step, and returns the outputs of the loss function, evaluated.
    ///
    /// # Errors
    /// Returns the error that MLX reports of the step while it runs, and `NotFinite` if too many steps in a row, up to
    /// this one, gave no finite loss and gradient.
    pub fn wait(mut self) -> Result<Vec<Array>> {
        let values = std::mem::take(&mut self.values);
        transforms::eval(&values.iter().collect::<Vec<_>>())?;
        if let Some((counters, limit)) = &self.skipped {
            Skipped::read(counters)?.check(*limit)?;
        }
        Ok(values)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.values.is_empty() {
            // A program that ends while MLX's threads work on a step does not end well. The error is ignored, because
            // the caller did not wait for it.
            let _ = transforms::eval(&self.values.iter().collect::<Vec<_>>());
        }
    }
}

impl<M: Trainable> TrainStep<M> {
    /// As [`TrainStep::run`], but returns as soon as the step is queued: the next one can be started
    /// before its result is there, so that the device does not wait for its graph.
    ///
    /// Wait for each step once the next one is started. Steps follow each other as with `run`, and
    /// give the same values. The first step on a shape of batch, and one that has to keep MLX's
    /// queue short to stay below the memory limit, runs alone.
    ///
    /// # Errors
    /// As [`TrainStep::run`], except for errors that [`Started::wait`] returns.
    pub fn start(&mut self, batch: &[Array], lr: f32) -> Result<Started> {
        let (decision, next) = match self.decisions.known(batch)? {
            Some(decision) => {
                let decision = decision.clone();
                let next = self.again(batch, lr, &decision)?;
                (decision, next)
            }
            None => {
                // Wait for the previous step so that active memory counts persistent state only.
                transforms::eval(&self.at.arrays())?;
                self.decide(batch, lr)?
            }
        };
        if decision.limit.is_some() {
            decision.evaluate(&next.arrays())?;
        }
        self.queued(next, Some(&decision))
    }

    /// Goes on from a step that is queued here, if it is not evaluated yet.
    pub(super) fn queued(&mut self, next: Next, decision: Option<&Decision>) -> Result<Started> {
        // A copy of the counters that the next step reads, because on a GPU an array that the host reads may move.
        let skipped = ops::add(&next.at.skipped, &Array::scalar(0u32)?)?;
        let mut arrays = next.arrays();
        arrays.push(&skipped);
        match decision {
            Some(decision) => decision.start(&arrays)?,
            None => transforms::async_eval_as(&arrays, Check::Planned)?,
        }
        let Next { values, at } = next;
        self.at = at;
        let limit = self.options.max_skipped_steps;
        Ok(Started {
            values,
            skipped: limit.map(|limit| (skipped, limit)),
        })
    }
}
