//! Measures loss and exact match on held-out rows.
//!
//! Tests: `tests/exact_match.rs`.

use anyhow::{Context, Result};
use mlx_runtime::nn::KvCache;
use mlx_runtime::{ops, Array, Dtype};

use crate::ask::Asked;
use crate::data::{Batch, Row};
use crate::mean::Mean;
use crate::objective::{MeanRewards, Objective, Outcome};
use crate::text::Text;
use mlx_models::CausalLm;

/// The result of an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Mean loss of a target.
    pub loss: f64,
    /// Targets that were counted.
    pub targets: usize,
    /// Rows for which the model writes the whole answer by itself.
    pub exact: usize,
    /// Rows that have an answer.
    pub asked: usize,
    /// Rows with an incomplete answer, because it was cut off or the model has no token for its end. They are not among
    /// those asked.
    pub endless: usize,
}

impl Score {
    /// `e^loss`: the number of tokens among which the model hesitates.
    pub fn perplexity(&self) -> f64 {
        self.loss.exp()
    }

    /// Percentage of exact answers.
    pub fn percent(&self) -> f64 {
        100.0 * self.exact as f64 / self.asked.max(1) as f64
    }
}

/// The batch as arrays: tokens and targets `[B, L]` i32, mask `[B, L]` f32.
pub fn arrays(batch: &Batch) -> Result<[Array; 3]> {
    let shape = [i32::try_from(batch.rows)?, i32::try_from(batch.width)?];
    Ok([
        Array::from_slice(&batch.tokens, &shape)?,
        Array::from_slice(&batch.targets, &shape)?,
        Array::from_slice(&batch.mask, &shape)?,
    ])
}

/// Measures loss and exact match in one pass over the batches. `asked` holds the question of each row.
///
/// An answer is exact if greedy decoding would write its text, and then end.
///
/// # Errors
/// Returns the error that MLX reports, and an error if there is no target.
pub fn measure(
    model: &impl CausalLm,
    text: &Text,
    (rows, asked): (&[Row], &[Asked]),
    batches: &[(Vec<usize>, Batch)],
    mut progress: impl FnMut(usize),
) -> Result<Score> {
    let mut score = Score::default();
    let mut mean = Mean::default();
    for (done, (indices, batch)) in batches.iter().enumerate() {
        let [tokens, targets, _] = arrays(batch)?;
        let logits = model.logits(&tokens, &mut KvCache::off())?;
        let logits = ops::astype(&logits, Dtype::Float32)?;
        let picked = ops::take_along_axis(&logits, &ops::expand_dims(&targets, &[-1])?, -1)?;
        let nll = ops::subtract(
            &ops::logsumexp(&logits, &[-1], false)?,
            &ops::squeeze(&picked, &[-1])?,
        )?;
        let best = ops::argmax(&logits, -1, false)?;
        mlx_runtime::transforms::eval(&[&nll, &best])?;
        add(&mut mean, &nll, batch)?;
        let best = best.to_vec::<u32>()?;
        for (r, &i) in indices.iter().enumerate() {
            let predicted = &best[r * batch.width..(r + 1) * batch.width];
            match asked[i].is_exact(model, text, &rows[i], predicted)? {
                Some(exact) => {
                    score.asked += 1;
                    score.exact += usize::from(exact);
                }
                None => score.endless += usize::from(rows[i].answer().is_some()),
            }
        }
        progress(done + 1);
    }
    score.targets = usize::try_from(mean.targets())?;
    score.loss = mean
        .value()
        .context("nothing to measure, because no row has a target")?;
    Ok(score)
}

/// Adds the losses `[B, L]` of the targets that count, in float64.
fn add(mean: &mut Mean, losses: &Array, batch: &Batch) -> Result<()> {
    let losses = losses.to_vec::<f32>()?;
    for (loss, _) in losses.iter().zip(&batch.mask).filter(|(_, m)| **m != 0.0) {
        mean.push(f64::from(*loss));
    }
    Ok(())
}

/// Losses and rewards of batches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    /// Of targets, or of pairs if answers are compared.
    pub mean: Mean,
    /// Of pairs.
    pub rewards: MeanRewards,
}

impl Losses {
    /// The means; `None` if no batch has a target.
    pub fn outcome(self) -> Option<Outcome> {
        self.mean.value().map(|loss| Outcome {
            loss,
            rewards: self.rewards.mean(),
        })
    }
}

/// Loss alone, as measured in training.
pub fn loss(
    model: &impl CausalLm,
    batches: &[(Vec<usize>, Batch)],
    objective: Objective,
    mut progress: impl FnMut(usize),
) -> Result<Losses> {
    let mut mean = Mean::default();
    let mut rewards = MeanRewards::default();
    for (done, (_, batch)) in batches.iter().enumerate() {
        if batch.real > 0 && objective.compares() {
            let outcome = objective.outcome(&objective.loss(model, &objective.arrays(batch)?)?)?;
            if let Some(more) = outcome.rewards {
                mean.add(outcome.loss, more.pairs as usize);
                rewards.add(more);
            }
        } else if batch.real > 0 {
            let [tokens, targets, mask] = arrays(batch)?;
            add(&mut mean, &model.losses(&tokens, &targets, &mask)?, batch)?;
        }
        progress(done + 1);
    }
    Ok(Losses { mean, rewards })
}
