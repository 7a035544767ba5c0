//! Averages gradients over the processes of a group.
//!
//! Tests: `tests/ranks.rs`; `llama_lora --test ranks`.

use std::sync::Arc;

use super::accumulate::Sums;
use super::{ParamGroups, TrainStep, Trainable};
use crate::distributed::{all_sum, Group};
use crate::transforms::depends;
use crate::{ops, Array, Dtype, Error, ErrorKind, Result};

/// The most bytes of gradients that NCCL reduces at once, as in MLX's `average_gradients`. A smaller group of parameters is
/// one bucket.
const BUCKET: usize = 32 << 20;

/// The same for other backends, which reduce on a stream of their own: most of a small bucket's time is hidden behind the
/// backward pass.
const SMALL_BUCKET: usize = 4 << 20;

/// The reduction of a step's gradients.
pub(super) struct Reduction {
    group: Arc<Group>,
    /// The tensors of each bucket.
    buckets: ParamGroups,
}

impl Reduction {
    /// `None` if there is no other process.
    pub fn new(group: Option<&Arc<Group>>, params: &ParamGroups) -> Option<Self> {
        let group = group.filter(|g| g.size() > 1)?;
        let bytes = match group.has_own_stream() {
            true => SMALL_BUCKET,
            false => BUCKET,
        };
        Some(Reduction {
            group: Arc::clone(group),
            buckets: params.buckets(bytes),
        })
    }

    /// The tensors of each bucket.
    pub fn buckets(&self) -> &ParamGroups {
        &self.buckets
    }

    /// The mean loss over the targets of all processes, their number, and the sums of further outputs; and the gradient of
    /// that mean for each bucket. A process without targets counts for nothing, even if its loss is NaN.
    pub fn mean(&self, values: &[Array], grads: &[Array]) -> Result<(Vec<Array>, Vec<Array>)> {
        let (loss, weight, others) = outputs(values)?;
        let (weight, zero) = (scalar(weight)?, Array::scalar(0f32)?);
        let any = ops::greater(&weight, &zero)?;
        let counted = |a: &Array| {
            let a = ops::astype(a, Dtype::Float32)?;
            ops::where_(&any, &a, &zero)
        };
        let loss = counted(&ops::multiply(&scalar(loss)?, &weight)?)?;
        let others = others.iter().map(counted).collect::<Result<Vec<_>>>()?;
        // The forward pass is enough for these, so they come first.
        let (mut sums, last) = self.sum_small(&[&[loss, weight.clone()], &others[..]].concat())?;
        let total = sums[1].clone();
        sums[0] = ops::divide(&sums[0], &total)?;
        let share = ops::divide(&weight, &total)?;
        let part = |g: &Array| {
            let own = counted(&ops::multiply(&ops::astype(g, Dtype::Float32)?, &share)?)?;
            ops::astype(&own, g.dtype())
        };
        let parts = grads.iter().map(part).collect::<Result<Vec<_>>>()?;
        Ok((sums, self.sum_each(&parts, last)?))
    }

    /// The sums of all processes.
    pub fn all(&self, sums: &Sums) -> Result<Sums> {
        let small = [&[sums.loss.clone(), sums.weight.clone()], &sums.others[..]];
        let others: Result<Vec<_>> = small
            .concat()
            .iter()
            .map(|a| ops::astype(a, Dtype::Float32))
            .collect();
        let (mut small, last) = self.sum_small(&others?)?;
        let others = small.split_off(2);
        Ok(Sums {
            loss: small[0].clone(),
            weight: small[1].clone(),
            grads: self.sum_each(&sums.grads, last)?,
            others,
        })
    }

    /// Sums arrays of float32 as one; the sum itself comes second.
    fn sum_small(&self, arrays: &[Array]) -> Result<(Vec<Array>, Array)> {
        let flat: Vec<Array> = arrays
            .iter()
            .map(|a| ops::reshape(a, &[-1]))
            .collect::<Result<_>>()?;
        let sum = all_sum(
            &ops::concatenate(&flat.iter().collect::<Vec<_>>(), 0)?,
            Some(&self.group),
        )?;
        let mut end = 0;
        let ends: Vec<i32> = flat
            .iter()
            .map(|a| {
                end += a.dim(0)?;
                Ok(end)
            })
            .collect::<Result<_>>()?;
        let parts = ops::split_at(&sum, &ends[..ends.len() - 1], 0)?;
        let parts = parts.iter().zip(arrays);
        let parts: Result<Vec<Array>> = parts.map(|(s, a)| ops::reshape(s, a.shape())).collect();
        Ok((parts?, sum))
    }

    /// The sum of each array, one after the other on every process, after `last`. Graphs may differ between processes,
    /// because each decides for itself which layers it computes again, but reductions must come in one order.
    fn sum_each(&self, arrays: &[Array], mut last: Array) -> Result<Vec<Array>> {
        let mut sums = Vec::with_capacity(arrays.len());
        for array in arrays {
            let array = depends(&[array], &[&last])?.swap_remove(0);
            last = all_sum(&array, Some(&self.group))?;
            sums.push(last.clone());
        }
        Ok(sums)
    }
}

/// The loss, the number of targets and the further outputs of a loss function.
pub(super) fn outputs(values: &[Array]) -> Result<(&Array, &Array, &[Array])> {
    match values {
        [loss, weight, others @ ..] => Ok((loss, weight, others)),
        _ => {
            let text = "expected the loss function to return a loss and a number of targets";
            Err(Error::new(ErrorKind::InvalidArgument, text)
                .with_hint("return the mean loss first and the number of its targets second"))
        }
    }
}

/// A number as a float32 scalar.
pub(super) fn scalar(a: &Array) -> Result<Array> {
    ops::astype(&ops::reshape(a, &[])?, Dtype::Float32)
}

impl<M: Trainable> TrainStep<M> {
    /// The bytes of each bucket of gradients that a step reduces over the processes; none without other processes.
    pub fn reduced_bytes(&self) -> Vec<usize> {
        let body = self.body.get();
        let sizes = body.reduction().map(|r| r.buckets().sizes());
        let bytes = |(dtype, _, n): (Dtype, usize, usize)| n * dtype.size();
        sizes.into_iter().flatten().map(bytes).collect()
    }
}
