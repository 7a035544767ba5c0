//! Takes a training step: loss, gradients of the trainable tensors, one update for each group.
//!
//! Tests: `mlx-tests --test training`.

use std::sync::Arc;

use super::cuts::Stack;
use super::layers::Cuts;
use super::plan::{Decision, Decisions};
use super::recorded::{Recorded, Shared};
use super::reduction::Reduction;
use super::{Checkpoint, ParamGroups, Trainable};
use crate::context::with_cuts;
use crate::distributed::Group;
use crate::optim::{self, matching, OptimState, Optimizer, Shapes, Skipped};
use crate::transforms::{self, ValueAndGrad};
use crate::{Array, Error, ErrorKind, Result};

/// Options of training steps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrainOptions {
    /// Overrides the checkpoint policy of layer stacks; `None` keeps the one that the models declare.
    pub checkpoint: Option<Checkpoint>,
    /// The largest norm of all gradients together; above it they are scaled down.
    pub max_grad_norm: Option<f32>,
    /// The largest size of an element of a gradient; beyond it elements are cut. Before `max_grad_norm` is applied.
    pub max_grad_value: Option<f32>,
    /// The most steps in a row that may be left out. A step with a NaN or infinite loss or gradient changes nothing and
    /// is counted; one more in a row is an error. `None` takes every step as it comes.
    pub max_skipped_steps: Option<u32>,
    /// Sends losses and gradients through [`transforms::compile`], once for each shape of batch. `None` is on for a
    /// GPU, because the device would otherwise wait while the graph is built again.
    pub compile: Option<bool>,
    /// Processes that take each step together, each on its own batch (data parallelism): the gradient is the mean over all
    /// their targets, however they are spread, as if the batches were one. Each process must take the same steps. The
    /// loss function has to return the number of targets (a scalar) second, after the mean loss over them, and further
    /// outputs are summed; all are float32. Gradients are reduced in buckets while the backward pass runs.
    pub group: Option<Arc<Group>>,
}

impl TrainOptions {
    /// [`TrainOptions::default`], to be changed by the methods.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`TrainOptions::checkpoint`].
    #[must_use]
    pub fn checkpoint(mut self, checkpoint: impl Into<Option<Checkpoint>>) -> Self {
        self.checkpoint = checkpoint.into();
        self
    }

    /// Sets [`TrainOptions::max_grad_norm`].
    #[must_use]
    pub fn max_grad_norm(mut self, norm: impl Into<Option<f32>>) -> Self {
        self.max_grad_norm = norm.into();
        self
    }

    /// Sets [`TrainOptions::max_grad_value`].
    #[must_use]
    pub fn max_grad_value(mut self, bound: impl Into<Option<f32>>) -> Self {
        self.max_grad_value = bound.into();
        self
    }

    /// Sets [`TrainOptions::max_skipped_steps`].
    #[must_use]
    pub fn max_skipped_steps(mut self, steps: impl Into<Option<u32>>) -> Self {
        self.max_skipped_steps = steps.into();
        self
    }

    /// Sets [`TrainOptions::compile`].
    #[must_use]
    pub fn compile(mut self, compile: impl Into<Option<bool>>) -> Self {
        self.compile = compile.into();
        self
    }

    /// Sets [`TrainOptions::group`].
    #[must_use]
    pub fn group(mut self, group: impl Into<Option<Arc<Group>>>) -> Self {
        self.group = group.into();
        self
    }
}

impl Default for TrainOptions {
    /// The models' own checkpoint policy, no clipping, at most 10 steps left out in a row.
    fn default() -> Self {
        TrainOptions {
            checkpoint: None,
            max_grad_norm: None,
            max_grad_value: None,
            max_skipped_steps: Some(10),
            compile: None,
            group: None,
        }
    }
}

/// Trains the trainable tensors of a model of `#[mlx_model]`, or of layers ([`Trainable`]).
///
/// `loss` gets the model and the batch and returns the loss (a scalar) first; further outputs are passed through.
pub struct TrainStep<M: Trainable> {
    pub(super) model: M,
    names: Vec<String>,
    /// A checksum of names and shapes: buffers alone tell only the number of values.
    layout: Array,
    pub(super) at: Carried,
    pub(super) options: TrainOptions,
    pub(super) body: Shared,
    /// The recordings of steps, once for each shape, if steps are compiled.
    recorded: Option<Recorded>,
    pub(super) decisions: Decisions,
}

impl<M: Trainable> TrainStep<M> {
    /// A trainer of `model`.
    ///
    /// # Errors
    /// If nothing in the model is trainable, or its layers change while they run (see [`Trainable`]).
    pub fn new<F>(
        model: M,
        loss: F,
        optimizer: impl Optimizer + 'static,
        options: TrainOptions,
    ) -> Result<Self>
    where
        F: Fn(&M, &[Array]) -> Result<Vec<Array>> + Send + 'static,
    {
        model.check_state()?;
        let (names, tensors): (Vec<String>, Vec<Array>) = model.trained().into_iter().unzip();
        if tensors.is_empty() {
            let error = Error::new(
                ErrorKind::InvalidArgument,
                "the model has no trainable tensors",
            );
            return Err(error.with_hint(
                "add LoRA adapters with `add_lora`, or make weights trainable with `unfreeze` or `set_frozen(false)`",
            ));
        }
        let part = |i: usize| optimizer.part(&names[i], tensors[i].shape());
        let groups = ParamGroups::of_parts(&tensors, part)?;
        let layout = layout(&names, &tensors, groups.order())?;
        let (buffers, shapes) = (groups.gather(&tensors)?, groups.shapes());
        let at = Carried {
            state: optimizer.init_buffers(&shapes, &buffers)?,
            buffers,
            skipped: Skipped::none()?,
        };
        transforms::eval(&at.arrays())?;
        // The buffers hold the values from here on: the model would keep the first ones alive.
        let mut model = model;
        model.set_trained(&vec![Array::scalar(0f32)?; tensors.len()])?;
        let body = Body {
            gradient: gradient(&model, loss, groups.tensors())?,
            reduction: Reduction::new(options.group.as_ref(), &groups),
            groups,
            shapes,
            optimizer: Arc::new(optimizer),
            max_grad_norm: options.max_grad_norm,
            max_grad_value: options.max_grad_value,
            guarded: options.max_skipped_steps.is_some(),
        };
        let recorded = Recorded::new(options.compile)?;
        Ok(TrainStep {
            model,
            names,
            layout,
            at,
            options,
            body: Shared::new(body),
            recorded,
            decisions: Decisions::default(),
        })
    }

    /// Takes one step with learning rate `lr`, and returns the outputs of the loss function, evaluated.
    ///
    /// For each new shape of batch it is decided which layers run again in the backward pass, if the models leave that
    /// open: the fewest with which the step stays below the memory limit.
    ///
    /// # Errors
    /// Returns the error of the loss function or of MLX, `OutOfMemory` if no choice of layers fits in the memory limit,
    /// and `NotFinite` if too many steps in a row gave no finite loss and gradient. The model is then as before the
    /// step.
    pub fn run(&mut self, batch: &[Array], lr: f32) -> Result<Vec<Array>> {
        let (decision, next) = self.decide(batch, lr)?;
        decision.evaluate(&next.arrays())?;
        self.accept(next)
    }

    /// Goes on from a step that is evaluated.
    pub(super) fn accept(&mut self, next: Next) -> Result<Vec<Array>> {
        self.at = next.at;
        if let Some(limit) = self.options.max_skipped_steps {
            self.skipped()?.check(limit)?;
        }
        Ok(next.values)
    }

    /// Steps that changed nothing because their loss or gradient was NaN or infinite.
    ///
    /// # Errors
    /// Returns the error that MLX reports.
    pub fn skipped(&self) -> Result<Skipped> {
        Skipped::read(&self.at.skipped)
    }

    /// The graph of one step, and the stacks in it that decide for themselves. Nothing else refers
    /// to the graph, so that each gradient is freed as soon as it is gathered.
    pub(super) fn graph(&self, batch: &[Array], lr: f32, cuts: Cuts) -> Result<(Next, Vec<Stack>)> {
        let lr = Array::scalar(lr)?;
        let (next, stacks) = with_cuts(cuts, || self.body.get().step(&self.at, &lr, batch));
        Ok((next?, stacks))
    }

    /// The graph of a step on a shape of batch for which it is decided how it is taken.
    pub(super) fn again(&self, batch: &[Array], lr: f32, decision: &Decision) -> Result<Next> {
        let cuts = decision.cuts(self.options.checkpoint);
        match &self.recorded {
            Some(recorded) => {
                let lr = Array::scalar(lr)?;
                let buffers = &self.at.buffers;
                let both = || recorded.gradients(&self.body, buffers, batch, decision);
                let (values, grads) = with_cuts(cuts, both).0?;
                self.body.get().finish_step(&self.at, &lr, values, grads)
            }
            None => Ok(self.graph(batch, lr, cuts)?.0),
        }
    }

    /// The model with the current values.
    ///
    /// # Errors
    /// Returns the error that MLX reports.
    pub fn model(&self) -> Result<M> {
        let mut model = self.model.clone();
        model.set_trained(&self.body.get().groups.scatter(&self.at.buffers)?)?;
        Ok(model)
    }

    /// Everything a later run needs to go on exactly here: `layout`, `skipped`, `param.N`, then the
    /// optimiser's arrays as `optim.` and its name and theirs.
    pub fn state(&self) -> Vec<(String, Array)> {
        let optimizer = self.body.get().optimizer.name();
        let params = self.at.buffers.iter().enumerate();
        let optim = self.at.state.named();
        [("layout", &self.layout), ("skipped", &self.at.skipped)]
            .into_iter()
            .map(|(name, a)| (name.to_string(), a.clone()))
            .chain(params.map(|(i, a)| (format!("param.{i}"), a.clone())))
            .chain(optim.map(|(name, a)| (format!("optim.{optimizer}.{name}"), a.clone())))
            .collect()
    }

    /// Goes on from a saved [`TrainStep::state`].
    ///
    /// # Errors
    /// If an array is missing, or the state belongs to other trainable tensors than this model's or
    /// to another optimiser; nothing is then changed.
    pub fn restore(&mut self, mut get: impl FnMut(&str) -> Option<Array>) -> Result<()> {
        let hint = "restore with the model, LoRA settings and optimiser that saved the state";
        let found = self
            .state()
            .iter()
            .map(|(name, old)| matching(name, old, get(name)))
            .collect::<Result<Vec<_>>>()
            .map_err(|e| e.with_hint(hint))?;
        transforms::eval(&found.iter().collect::<Vec<_>>())?;
        if found[0].to_vec::<u32>()? != self.layout.to_vec::<u32>()? {
            let text = "the saved state belongs to other trainable tensors";
            return Err(Error::new(ErrorKind::Format, text).with_hint(hint));
        }
        self.at = self.at.with_arrays(found.into_iter().skip(1))?;
        Ok(())
    }

    /// The names of the trainable tensors.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// The state that a step reads and replaces.
#[derive(Clone)]
pub(super) struct Carried {
    /// Steps left out: see [`Skipped`].
    pub skipped: Array,
    pub buffers: Vec<Array>,
    pub state: OptimState,
}

impl Carried {
    /// Every array, in one order.
    pub fn arrays(&self) -> Vec<&Array> {
        std::iter::once(&self.skipped)
            .chain(&self.buffers)
            .chain(self.state.arrays())
            .collect()
    }

    /// From arrays in the order of [`Carried::arrays`].
    pub fn with_arrays(&self, arrays: impl IntoIterator<Item = Array>) -> Result<Self> {
        let mut arrays = arrays.into_iter();
        let Some(skipped) = arrays.next() else {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "expected the carried arrays, found none",
            ));
        };
        Ok(Carried {
            skipped,
            buffers: arrays.by_ref().take(self.buffers.len()).collect(),
            state: self.state.with_arrays(arrays.collect())?,
        })
    }
}

/// The result of a step.
pub(super) struct Next {
    pub values: Vec<Array>,
    pub at: Carried,
}

impl Next {
    pub(super) fn arrays(&self) -> Vec<&Array> {
        self.values.iter().chain(self.at.arrays()).collect()
    }
}

/// A step as a pure function: it reads nothing but its arguments and evaluates nothing.
pub(super) struct Body {
    gradient: ValueAndGrad,
    groups: ParamGroups,
    reduction: Option<Reduction>,
    shapes: Shapes,
    optimizer: Arc<dyn Optimizer>,
    max_grad_norm: Option<f32>,
    max_grad_value: Option<f32>,
    guarded: bool,
}

impl Body {
    pub fn step(&self, at: &Carried, lr: &Array, batch: &[Array]) -> Result<Next> {
        let (values, grads) = self.gradients(&at.buffers, batch, self.layout())?;
        self.finish_step(at, lr, values, grads)
    }

    /// The groups of parameters.
    pub fn groups(&self) -> &ParamGroups {
        &self.groups
    }

    /// The reduction over other processes, if there are any.
    pub fn reduction(&self) -> Option<&Reduction> {
        self.reduction.as_ref()
    }

    /// The layout of the gradients of a step on one batch: buckets to reduce, or the groups themselves.
    pub fn layout(&self) -> &ParamGroups {
        self.reduction().map_or(&self.groups, Reduction::buckets)
    }

    /// The outputs of the loss function (at least the loss), and the gradients in `layout`.
    pub fn gradients(
        &self,
        buffers: &[Array],
        batch: &[Array],
        layout: &ParamGroups,
    ) -> Result<(Vec<Array>, Vec<Array>)> {
        let mut inputs = self.groups.scatter(buffers)?;
        inputs.extend_from_slice(batch);
        let (values, grads) = self.gradient.call(&inputs)?;
        Ok((values, layout.gather(&grads)?))
    }

    /// The step on gradients in [`Body::layout`].
    pub fn finish_step(
        &self,
        at: &Carried,
        lr: &Array,
        mut values: Vec<Array>,
        mut grads: Vec<Array>,
    ) -> Result<Next> {
        if let Some(reduction) = &self.reduction {
            (values, grads) = reduction.mean(&values, &grads)?;
            if reduction.buckets().count() != self.groups.count() {
                grads = self.groups.gather(&reduction.buckets().scatter(&grads)?)?;
            }
        }
        let at = self.update(at, lr, &values[0], grads)?;
        Ok(Next { values, at })
    }

    /// One update of the optimiser, unless the loss or the gradients are no finite numbers.
    pub fn update(
        &self,
        at: &Carried,
        lr: &Array,
        loss: &Array,
        mut grads: Vec<Array>,
    ) -> Result<Carried> {
        let mut norm = None;
        if let Some(bound) = self.max_grad_value {
            // The norm before tells whether all are finite, which cut ones are.
            norm = Some(optim::grad_norm(&grads)?);
            grads = optim::clip_grad_value(&grads, bound)?;
        }
        if let Some(limit) = self.max_grad_norm {
            let (clipped, before) = optim::clip_grad_norm(&grads, limit)?;
            (grads, norm) = (clipped, norm.or(Some(before)));
        }
        let (buffers, state) =
            self.optimizer
                .step_buffers(&self.shapes, &at.buffers, &grads, &at.state, lr)?;
        if !self.guarded {
            return Ok(Carried {
                skipped: at.skipped.clone(),
                buffers,
                state,
            });
        }
        let norm = norm.map_or_else(|| optim::grad_norm(&grads), Ok)?;
        let next = optim::guard(
            &optim::all_finite(loss, &norm)?,
            (&at.buffers, &at.state),
            (&buffers, &state),
            &at.skipped,
        )?;
        Ok(Carried {
            skipped: next.counters,
            buffers: next.buffers,
            state: next.state,
        })
    }
}

/// The gradient of the loss with respect to each trainable tensor. The tensors come in one by one
/// and not as buffers: the gradient of a slice of a buffer is as large as the buffer.
fn gradient<M: Trainable, F>(model: &M, loss: F, count: usize) -> Result<ValueAndGrad>
where
    F: Fn(&M, &[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    let model = model.clone();
    let body = move |inputs: &[Array]| {
        let (params, batch) = inputs.split_at(count);
        let mut model = model.clone();
        model.set_trained(params)?;
        loss(&model, batch)
    };
    let argnums: Vec<i32> = (0..i32::try_from(count).unwrap_or(i32::MAX)).collect();
    Ok(transforms::value_and_grad(body, &argnums))
}

/// FNV-1a over names and shapes in the order of the buffers, as two words.
fn layout(
    names: &[String],
    tensors: &[Array],
    order: impl Iterator<Item = usize>,
) -> Result<Array> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for i in order {
        for byte in format!("{} {:?};", names[i], tensors[i].shape()).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Array::from_slice(&[hash as u32, (hash >> 32) as u32], &[2])
}
