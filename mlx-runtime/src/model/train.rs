//! A training step: loss, gradients of the trainable tensors, one update for each group.

use std::sync::Arc;

use super::cuts::Stack;
use super::layers::{with_cuts, Cuts};
use super::plan::Decisions;
use super::{Checkpoint, Model, ParamGroups};
use crate::optim::{clip_grad_norm, AdamW, OptimState};
use crate::transforms::{self, ValueAndGrad};
use crate::{Array, Error, ErrorKind, Result};

/// How steps are taken.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TrainOptions {
    /// Overrides where stacks of layers are cut; `None` is what the models declare.
    pub checkpoint: Option<Checkpoint>,
    /// The largest norm of all gradients together; above it they are scaled down.
    pub max_grad_norm: Option<f32>,
}

/// Trains the tensors that a model calls trainable.
///
/// `loss` gets the model and the batch and returns the loss (a scalar) first; what it returns
/// after that is passed through.
pub struct TrainStep<M: Model> {
    pub(super) model: M,
    names: Vec<String>,
    /// A checksum of names and shapes: buffers alone say only how many values there are.
    layout: Array,
    groups: Arc<ParamGroups>,
    pub(super) buffers: Vec<Array>,
    pub(super) state: OptimState,
    optimizer: AdamW,
    pub(super) options: TrainOptions,
    gradient: ValueAndGrad,
    pub(super) decisions: Decisions,
}

impl<M: Model> TrainStep<M> {
    /// A trainer of `model`.
    ///
    /// # Errors
    /// If nothing in the model is trainable.
    pub fn new<F>(model: M, loss: F, optimizer: AdamW, options: TrainOptions) -> Result<Self>
    where
        F: Fn(&M, &[Array]) -> Result<Vec<Array>> + Send + 'static,
    {
        let (names, tensors): (Vec<String>, Vec<Array>) = model.trainable().into_iter().unzip();
        if tensors.is_empty() {
            let error = Error::new(
                ErrorKind::InvalidArgument,
                "the model has no trainable tensors",
            );
            return Err(error.with_hint(
                "add LoRA adapters with `add_lora`, or make weights trainable with `unfreeze`",
            ));
        }
        let groups = Arc::new(ParamGroups::new(&tensors)?);
        let layout = layout(&names, &tensors)?;
        let buffers = groups.gather(&tensors)?;
        let state = optimizer.init(&buffers)?;
        transforms::eval(&buffers.iter().chain(&state.arrays()).collect::<Vec<_>>())?;
        // The buffers hold the values from here on: the model would keep the first ones alive.
        let mut model = model;
        model.set_trainable(&vec![Array::scalar(0f32)?; tensors.len()])?;
        let gradient = gradient(&model, loss, groups.tensors())?;
        Ok(TrainStep {
            model,
            names,
            layout,
            groups,
            buffers,
            state,
            optimizer,
            options,
            gradient,
            decisions: Decisions::default(),
        })
    }

    /// Takes one step with learning rate `lr`; returns what the loss function returned, evaluated.
    ///
    /// For each new shape of batch it is decided which layers run again in the backward pass, where
    /// the models leave that open: the fewest with which the step stays below the memory limit.
    ///
    /// # Errors
    /// What the loss function or MLX reports, and `OutOfMemory` if no choice of layers fits in the
    /// memory limit; the model is then as before the step.
    pub fn run(&mut self, batch: &[Array], lr: f32) -> Result<Vec<Array>> {
        let (decision, next) = self.decide(batch, lr)?;
        decision.evaluate(&next.arrays())?;
        (self.buffers, self.state) = (next.buffers, next.state);
        Ok(next.values)
    }

    /// The graph of one step, and the stacks in it that decide for themselves. Nothing else refers
    /// to the graph, so that each gradient is freed as soon as it is gathered.
    pub(super) fn graph(&self, batch: &[Array], lr: f32, cuts: Cuts) -> Result<(Next, Vec<Stack>)> {
        let mut inputs = self.groups.scatter(&self.buffers)?;
        inputs.extend_from_slice(batch);
        let (result, stacks) = with_cuts(cuts, || self.gradient.call(&inputs));
        let (values, grads) = result?;
        let mut grads = self.groups.gather(&grads)?;
        if let Some(limit) = self.options.max_grad_norm {
            grads = clip_grad_norm(&grads, limit)?.0;
        }
        let lr = Array::scalar(lr)?;
        let (buffers, state) =
            self.optimizer
                .step(&self.buffers, &grads, &self.state, Some(&lr))?;
        let next = Next {
            values,
            buffers,
            state,
        };
        Ok((next, stacks))
    }

    /// The model with the current values.
    ///
    /// # Errors
    /// What MLX reports.
    pub fn model(&self) -> Result<M> {
        let mut model = self.model.clone();
        model.set_trainable(&self.groups.scatter(&self.buffers)?)?;
        Ok(model)
    }

    /// Everything a later run needs to go on exactly here: `layout`, `param.N`, then the
    /// optimiser's arrays.
    pub fn state(&self) -> Vec<(String, Array)> {
        let named = |kind: &'static str, arrays: Vec<Array>| {
            arrays
                .into_iter()
                .enumerate()
                .map(move |(i, a)| (format!("{kind}.{i}"), a))
        };
        std::iter::once(("layout".to_string(), self.layout.clone()))
            .chain(named("param", self.buffers.clone()))
            .chain(named("optim", self.state.arrays()))
            .collect()
    }

    /// Goes on from a saved [`TrainStep::state`].
    ///
    /// # Errors
    /// If an array is missing, or the state belongs to other trainable tensors than this model's.
    pub fn restore(&mut self, mut get: impl FnMut(&str) -> Option<Array>) -> Result<()> {
        let bad = |text: String| {
            Err(Error::new(ErrorKind::Format, text)
                .with_hint("the state belongs to another model or other LoRA settings"))
        };
        let mut found = Vec::new();
        for (name, old) in &self.state() {
            match get(name) {
                Some(a) if a.shape() == old.shape() && a.dtype() == old.dtype() => found.push(a),
                Some(a) => {
                    return bad(format!(
                        "{name}: expected {:?} of {:?}, found {:?} of {:?}",
                        old.shape(),
                        old.dtype(),
                        a.shape(),
                        a.dtype()
                    ))
                }
                None => return bad(format!("{name} is missing from the saved state")),
            }
        }
        transforms::eval(&found.iter().collect::<Vec<_>>())?;
        if found[0].to_vec::<u32>()? != self.layout.to_vec::<u32>()? {
            return bad("the saved state is of other trainable tensors".to_string());
        }
        let optim = found.split_off(1 + self.buffers.len());
        self.state = OptimState::from_arrays(&optim)?;
        self.buffers = found.split_off(1);
        Ok(())
    }

    /// The names of the trainable tensors.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// What a step leads to.
pub(super) struct Next {
    values: Vec<Array>,
    buffers: Vec<Array>,
    state: OptimState,
}

impl Next {
    pub(super) fn arrays(&self) -> Vec<&Array> {
        let state = std::iter::once(&self.state.step)
            .chain(&self.state.m)
            .chain(&self.state.v);
        self.values
            .iter()
            .chain(&self.buffers)
            .chain(state)
            .collect()
    }
}

/// The gradient of the loss with respect to each trainable tensor. The tensors come in one by one
/// and not as buffers: the gradient of a slice of a buffer is as large as the buffer.
fn gradient<M: Model, F>(model: &M, loss: F, count: usize) -> Result<ValueAndGrad>
where
    F: Fn(&M, &[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let model = model.clone();
    let body = move |inputs: &[Array]| {
        let (params, batch) = inputs.split_at(count);
        let mut model = model.clone();
        model.set_trainable(params)?;
        loss(&model, batch)
    };
    let argnums: Vec<i32> = (0..i32::try_from(count).unwrap_or(i32::MAX)).collect();
    Ok(transforms::value_and_grad(body, &argnums))
}

/// FNV-1a over names and shapes, as two words.
fn layout(names: &[String], tensors: &[Array]) -> Result<Array> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (name, t) in names.iter().zip(tensors) {
        for byte in format!("{name} {:?};", t.shape()).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Array::from_slice(&[hash as u32, (hash >> 32) as u32], &[2])
}
