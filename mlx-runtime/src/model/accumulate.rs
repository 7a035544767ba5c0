//! Takes one step on several batches, for batches that would not fit in memory as one.
//!
//! Tests: `mlx-tests --test training`.

use super::layers::Cuts;
use super::reduction::{outputs, scalar};
use super::train::{Body, Carried, Next};
use super::{Started, TrainStep, Trainable};
use crate::context::with_cuts;
use crate::{ops, transforms, Array, Dtype, Error, Result};

/// Sums over the batches so far: arrays only, so that adding a batch is a pure function.
pub(super) struct Sums {
    /// The number of targets, a float32 scalar.
    pub weight: Array,
    /// Losses times targets, a float32 scalar.
    pub loss: Array,
    /// Gradients times targets, float32 buffers.
    pub grads: Vec<Array>,
    /// Sums of the further outputs of the loss function.
    pub others: Vec<Array>,
}

impl Sums {
    fn zero(buffers: &[Array]) -> Result<Self> {
        Ok(Sums {
            weight: Array::scalar(0f32)?,
            loss: Array::scalar(0f32)?,
            grads: buffers
                .iter()
                .map(|b| ops::zeros(b.shape(), Dtype::Float32))
                .collect::<Result<_>>()?,
            others: Vec::new(),
        })
    }

    fn arrays(&self) -> Vec<&Array> {
        [&self.weight, &self.loss]
            .into_iter()
            .chain(&self.grads)
            .chain(&self.others)
            .collect()
    }
}

impl<M: Trainable> TrainStep<M> {
    /// Takes one step on several batches, as if they were one: the gradient is the mean over all
    /// their targets, however they are spread over the batches. Only one batch at a time is in
    /// memory, besides the sum of the gradients in float32.
    ///
    /// The loss function has to return the number of targets (a scalar) second, after the mean loss over them. A batch
    /// without targets counts for nothing, even if its loss is NaN. With [`TrainOptions::group`](super::TrainOptions::group) the
    /// gradients are reduced once, after the last batch. Returns the mean loss and the number of targets,
    /// both float32, and the sums of the loss function's further outputs.
    ///
    /// # Errors
    /// As [`TrainStep::run`], and if there is no batch or the loss function returns no number of
    /// targets.
    pub fn run_accumulated<B: AsRef<[Array]>>(
        &mut self,
        batches: &[B],
        lr: f32,
    ) -> Result<Vec<Array>> {
        let next = self.accumulated(batches, lr)?;
        transforms::eval(&next.arrays())?;
        self.accept(next)
    }

    /// As [`TrainStep::run_accumulated`], but returns as soon as the gradients are there and the
    /// update is queued; see [`TrainStep::start`].
    ///
    /// # Errors
    /// As [`TrainStep::run_accumulated`], except for errors that [`Started::wait`] returns.
    pub fn start_accumulated<B: AsRef<[Array]>>(
        &mut self,
        batches: &[B],
        lr: f32,
    ) -> Result<Started> {
        let next = self.accumulated(batches, lr)?;
        self.queued(next, None)
    }

    /// The step on the sums of all batches, which are evaluated.
    fn accumulated<B: AsRef<[Array]>>(&mut self, batches: &[B], lr: f32) -> Result<Next> {
        if batches.is_empty() {
            let text = "expected one batch or more to accumulate over, found none".to_owned();
            return Err(Error::invalid("run_accumulated", text));
        }
        let mut sums = Sums::zero(&self.at.buffers)?;
        for batch in batches {
            let batch = batch.as_ref();
            if self.decisions.known(batch)?.is_none() {
                // Wait for the previous step so that active memory counts persistent state only.
                transforms::eval(&self.at.arrays())?;
            }
            let decision = self.decision(batch, lr)?.0;
            let cuts = decision.cuts(self.options.checkpoint);
            sums = self.add(sums, batch, cuts)?;
            decision.evaluate(&sums.arrays())?;
        }
        self.body.get().finish(&self.at, &Array::scalar(lr)?, &sums)
    }

    fn add(&self, sums: Sums, batch: &[Array], cuts: Cuts) -> Result<Sums> {
        with_cuts(cuts, || self.body.get().add(&self.at.buffers, sums, batch)).0
    }
}

impl Body {
    /// The sums with one more batch. Nothing is evaluated.
    fn add(&self, buffers: &[Array], sums: Sums, batch: &[Array]) -> Result<Sums> {
        let (values, grads) = self.gradients(buffers, batch, self.groups())?;
        let (loss, weight, others) = outputs(&values)?;
        let weight = scalar(weight)?;
        let zero = Array::scalar(0f32)?;
        let any = ops::greater(&weight, &zero)?;
        // A product with 0 alone would let NaN through.
        let add = |sum: &Array, a: &Array| {
            let a = ops::multiply(&ops::astype(a, Dtype::Float32)?, &weight)?;
            ops::add(sum, &ops::where_(&any, &a, &zero)?)
        };
        Ok(Sums {
            loss: add(&sums.loss, &scalar(loss)?)?,
            grads: sums
                .grads
                .iter()
                .zip(&grads)
                .map(|(sum, g)| add(sum, g))
                .collect::<Result<_>>()?,
            weight: ops::add(&sums.weight, &weight)?,
            others: match sums.others.is_empty() {
                true => others.to_vec(),
                false => (sums.others.iter().zip(others))
                    .map(|(sum, a)| ops::add(sum, a))
                    .collect::<Result<_>>()?,
            },
        })
    }

    /// The step on the sums. Nothing is evaluated.
    fn finish(&self, at: &Carried, lr: &Array, sums: &Sums) -> Result<Next> {
        let all = self.reduction().map(|r| r.all(sums)).transpose()?;
        let sums = all.as_ref().unwrap_or(sums);
        let mean = |sum: &Array| ops::divide(sum, &sums.weight);
        let loss = mean(&sums.loss)?;
        let grads = sums
            .grads
            .iter()
            .zip(&at.buffers)
            .map(|(sum, w)| ops::astype(&mean(sum)?, w.dtype()))
            .collect::<Result<_>>()?;
        Ok(Next {
            at: self.update(at, lr, &loss, grads)?,
            values: [loss, sums.weight.clone()]
                .into_iter()
                .chain(sums.others.iter().cloned())
                .collect(),
        })
    }
}
