//! Losses that compare a chosen with a rejected answer, as TRL computes them.
//!
//! Tests: `tests/preferences.rs`.

use mlx_runtime::{nn, ops, Array, Dtype, Result};

use crate::settings::{Loss, Settings};

/// A loss and its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preference {
    /// The kind.
    pub loss: Loss,
    /// Strength of the comparison.
    pub beta: f32,
    /// The margin that SimPO wants, times beta.
    pub gamma: f32,
}

impl Preference {
    /// The loss of a run that compares answers.
    pub fn of(settings: &Settings) -> Option<Preference> {
        let default = match settings.loss {
            Loss::Simpo => 2.0,
            _ => 0.1,
        };
        settings.loss.compares().then(|| Preference {
            loss: settings.loss,
            beta: settings.beta.unwrap_or(default) as f32,
            gamma: settings.simpo_gamma.unwrap_or(0.5) as f32,
        })
    }

    /// The mean over pairs, their number, how many of them are told apart, and the sum of the rewards' differences, all
    /// scalars. `losses [2 P, L]` are the targets' negative log-likelihoods times `mask`; those of `answers` are compared.
    /// Chosen rows come first. `reference [2 P]` holds log-probabilities. A pair without an answer counts for nothing.
    ///
    /// # Errors
    /// The error that MLX reports.
    pub fn loss(
        &self,
        losses: &Array,
        mask: &Array,
        answers: &Array,
        reference: &Array,
    ) -> Result<Vec<Array>> {
        let losses = ops::astype(losses, Dtype::Float32)?;
        let per_row = |x: &Array| ops::sum(x, &[1], false);
        let counts = per_row(answers)?;
        let one = Array::scalar(1f32)?;
        let logps = ops::negative(&per_row(&ops::multiply(&losses, answers)?)?)?;
        let score = match self.loss {
            Loss::Dpo => ops::subtract(&logps, reference)?,
            _ => ops::divide(&logps, &ops::maximum(&counts, &one)?)?,
        };
        let [chosen, rejected] = halves(&score)?;
        let [counted, other] = halves(&counts)?;
        let zero = Array::scalar(0f32)?;
        let real = ops::logical_and(
            &ops::greater(&counted, &zero)?,
            &ops::greater(&other, &zero)?,
        )?;
        let real = ops::astype(&real, Dtype::Float32)?;
        let pairs = ops::sum(&real, &[], false)?;
        let beta = Array::scalar(self.beta)?;
        let margin = ops::multiply(&beta, &ops::subtract(&chosen, &rejected)?)?;
        let wanted = match self.loss {
            Loss::Simpo => ops::subtract(&margin, &Array::scalar(self.gamma)?)?,
            Loss::Orpo => ops::subtract(
                &ops::subtract(&chosen, &rejected)?,
                &ops::subtract(&log1mexp(&chosen)?, &log1mexp(&rejected)?)?,
            )?,
            _ => margin.clone(),
        };
        let each = ops::negative(&nn::log_sigmoid(&wanted)?)?;
        let sum = |x: &Array| {
            ops::sum(
                &ops::where_(&ops::greater(&real, &zero)?, x, &zero)?,
                &[],
                false,
            )
        };
        let many = ops::maximum(&pairs, &one)?;
        let mut mean = ops::divide(&sum(&each)?, &many)?;
        if self.loss == Loss::Orpo {
            let counted = ops::multiply(&losses, mask)?;
            let ([of_chosen, _], [targets, _]) = (halves(&counted)?, halves(mask)?);
            let targets = ops::maximum(&ops::sum(&targets, &[], false)?, &one)?;
            let nll = ops::divide(&ops::sum(&of_chosen, &[], false)?, &targets)?;
            mean = ops::add(&nll, &ops::multiply(&beta, &mean)?)?;
        }
        let told = ops::astype(&ops::greater(&margin, &zero)?, Dtype::Float32)?;
        Ok(vec![mean, pairs, sum(&told)?, sum(&margin)?])
    }
}

/// The first and the second half of the rows.
fn halves(x: &Array) -> Result<[Array; 2]> {
    let half = x.dim(0)? / 2;
    let mut both = ops::split_at(x, &[half], 0)?.into_iter();
    match (both.next(), both.next()) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => Ok([x.clone(), x.clone()]),
    }
}

/// `log(1 - e^x)` of numbers below zero, without loss of digits near zero.
fn log1mexp(x: &Array) -> Result<Array> {
    let close = ops::greater(x, &Array::scalar(-std::f32::consts::LN_2)?)?;
    // Neither branch may meet a number that has no logarithm there: its gradient would be NaN.
    let near = ops::where_(&close, x, &Array::scalar(-0.5f32)?)?;
    let far = ops::where_(&close, &Array::scalar(-1f32)?, x)?;
    let near = ops::log(&ops::negative(&ops::expm1(&near)?)?)?;
    let far = ops::log1p(&ops::negative(&ops::exp(&far)?)?)?;
    ops::where_(&close, &near, &far)
}
