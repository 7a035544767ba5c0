//! The training step of a run: loss, optimiser, clipping, checkpoints.
//!
//! Tests: `tests/ways.rs`.

use anyhow::Result;
use mlx_models::CausalLm;
use mlx_runtime::model::{TrainOptions, TrainStep};
use mlx_runtime::Array;

use crate::objective::Objective;
use crate::settings::Settings;

/// A step on batches of `objective`, with the optimiser and the options of the settings.
pub fn of<M: CausalLm>(
    model: &M,
    settings: &Settings,
    objective: Objective,
) -> Result<TrainStep<M>> {
    let optimizer = settings.build_optimizer();
    let mut options = TrainOptions::default();
    options.checkpoint = Some(settings.grad_checkpoint.into());
    options.max_grad_norm = settings.max_grad_norm.map(|x| x as f32);
    options.max_grad_value = settings.max_grad_value.map(|x| x as f32);
    options.max_skipped_steps = Some(settings.max_skipped_steps);
    let loss = move |model: &M, batch: &[Array]| objective.loss(model, batch);
    Ok(TrainStep::new(model.clone(), loss, optimizer, options)?)
}
