//! The predicted memory of a training step, in numbers and in words.
//!
//! Tests: `mlx-tests --test memory`.

use std::fmt;

use super::cuts::{Cut, Stack};
use super::Checkpoint;
use crate::runtime::size;
use crate::{Error, ErrorKind, Result};

/// The memory of a training step, in bytes, from [`super::TrainStep::plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryPlan {
    /// The most that is in use at one time, everything included.
    pub predicted_peak: usize,
    /// The memory limit.
    pub limit: usize,
    /// The policy that overrides the models' own.
    pub policy: Option<Checkpoint>,
    /// For each stack of layers that decides for itself.
    pub spans: Vec<Spans>,
    /// True if stacks inside layers are cut as well, at every layer.
    pub nested: bool,
    /// True if MLX has to keep its queue short to stay below the limit.
    pub short_queue: bool,
    /// Weights that are not trained.
    pub weights: usize,
    /// Values that are trained.
    pub trained: usize,
    /// State of the optimiser.
    pub optimizer: usize,
    /// Other memory in use: batches, other models, caches of keys and values.
    pub others: usize,
    /// Activations that the layers of those stacks keep for the backward pass, or need to run again.
    pub activations: usize,
    /// Operations in the step's graph.
    pub operations: usize,
    /// Pieces of work that they queue on a CPU; see [`crate::memory::Forecast`].
    pub kernels: usize,
}

/// The gradient checkpoints of one stack of layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spans {
    /// The number of layers.
    pub layers: usize,
    /// The number of layers, from the first, that run again in the backward pass.
    pub again: usize,
    /// The number of those between two boundaries.
    pub span: usize,
}

pub(super) fn spans((stack, cut): (&Stack, &Cut)) -> Spans {
    Spans {
        layers: stack.layers.len(),
        again: cut.again,
        span: cut.span,
    }
}

impl MemoryPlan {
    /// Returns true if a step stays below the limit.
    pub fn fits(&self) -> bool {
        self.predicted_peak <= self.limit
    }

    /// Temporary memory: gradients, intermediate results, the update, and the work that MLX has queued.
    pub fn working(&self) -> usize {
        let known = self.weights + self.trained + self.optimizer + self.others + self.activations;
        self.predicted_peak.saturating_sub(known)
    }

    /// Returns an error if a step does not stay below the limit.
    ///
    /// # Errors
    /// The error has kind [`ErrorKind::OutOfMemory`], the numbers, and the change that helps most.
    pub fn check(&self) -> Result<()> {
        match self.fits() {
            true => Ok(()),
            false => Err(self.refusal()),
        }
    }

    pub(super) fn refusal(&self) -> Error {
        let text = format!(
            "a training step needs {}, the memory limit is {}: {}",
            size(self.predicted_peak),
            size(self.limit),
            self.parts()
        );
        Error::new(ErrorKind::OutOfMemory, text).with_hint(self.hint())
    }

    /// The change that shrinks the largest part.
    fn hint(&self) -> String {
        let mut help = Vec::new();
        let state = 3 * self.trained + self.optimizer;
        let running = self.activations + self.working().saturating_sub(2 * self.trained);
        if self.policy.is_some_and(|p| p != Checkpoint::Auto) && running > self.weights.max(state) {
            help.push("`checkpoint = auto`, which runs as many layers again as the limit needs");
        }
        if running >= self.weights.max(state) / 2 {
            help.push("a smaller batch or shorter rows");
        }
        if state >= self.weights.max(running) / 2 {
            help.push("fewer trained values (LoRA, or fewer layers of it)");
        }
        if self.weights >= state.max(running) / 2 {
            help.push("quantised weights");
        }
        format!(
            "use {}, or set a limit of at least {}",
            help.join(", "),
            size(self.predicted_peak)
        )
    }

    fn parts(&self) -> String {
        let mut parts = vec![
            format!("frozen weights {}", size(self.weights)),
            format!("trained values {}", size(self.trained)),
            format!("optimiser {}", size(self.optimizer)),
        ];
        if self.others >= self.limit.min(self.predicted_peak) / 100 {
            parts.push(format!("batch and others {}", size(self.others)));
        }
        if !self.spans.is_empty() {
            parts.push(format!(
                "activations of the layers {}",
                size(self.activations)
            ));
        }
        parts.push(format!(
            "gradients, results and queue {}",
            size(self.working())
        ));
        parts.join(", ")
    }

    /// The gradient checkpoints of the stacks, in words.
    fn cuts(&self) -> String {
        let one = |s: &Spans| match *s {
            Spans {
                layers, again: 0, ..
            } => format!("all {layers} layers keep what they need"),
            Spans {
                layers,
                again,
                span,
            } if again == layers => {
                format!("all {layers} layers run again, {span} at a time")
            }
            Spans {
                layers,
                again,
                span,
            } => {
                format!("of {layers} layers the first {again} run again, {span} at a time")
            }
        };
        let mut text: Vec<String> = self.spans.iter().map(one).collect();
        match self.policy {
            Some(Checkpoint::Never) => text.push("no layer runs again, as asked".into()),
            Some(Checkpoint::Every(1)) => text.push("every layer runs again, as asked".into()),
            Some(Checkpoint::Every(n)) => {
                text.push(format!("every layer runs again, {n} at a time, as asked"));
            }
            Some(Checkpoint::Auto) | None if text.is_empty() => {
                text.push("checkpoints are where the model says".into());
            }
            _ => {}
        }
        if self.nested {
            text.push("so do the layers inside of them, one at a time".into());
        }
        if self.short_queue {
            text.push("MLX waits for results as the limit comes near".into());
        }
        text.join("; ")
    }
}

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a step takes {} of {}: {}; {}",
            size(self.predicted_peak),
            size(self.limit),
            self.parts(),
            self.cuts()
        )
    }
}
