//! The loss that a step of training minimises, and the arrays that its batches have.
//!
//! Tests: `tests/ways.rs`, `tests/preferences.rs`, `tests/packing.rs`.

use anyhow::{Context, Result};
use mlx_models::CausalLm;
use mlx_runtime::model::set_dropout_key;
use mlx_runtime::nn::Segments;
use mlx_runtime::random::Key;
use mlx_runtime::{ops, Array, Dtype};

use crate::data::{Batch, Row};
use crate::preference::Preference;
use crate::random::split_mix;
use crate::ranks::Ranks;
use crate::settings::Settings;

/// The loss of a batch. Its arrays are tokens and targets `[B, L]` of i32 and weights `[B, L]` of f32; then those of the
/// way to learn; then the key of the zeros, if inputs of the adapter are dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Objective {
    /// Several batches make a step.
    accumulate: bool,
    /// Batches count alike, whatever is in them.
    compat: bool,
    /// Inputs of the adapter are dropped.
    dropout: bool,
    seed: u64,
    /// Answers are compared.
    preference: Option<Preference>,
    /// Rows hold several texts.
    packed: Option<Packed>,
}

/// Rows of several texts.
#[derive(Clone, Copy, Debug)]
struct Packed {
    /// The most inputs of a text.
    longest: i32,
    /// Of the activations.
    dtype: Dtype,
}

impl Objective {
    /// The objective of a run on `rows`, with a model that computes in `dtype`.
    pub fn of(settings: &Settings, rows: &[Row], dtype: Dtype) -> Result<Objective> {
        let longest = rows.iter().map(Row::inputs).max().unwrap_or(1);
        Ok(Objective {
            accumulate: settings.grad_accumulation_steps > 1,
            compat: settings.compat,
            dropout: settings.lora.dropout > 0.0,
            seed: settings.seed,
            preference: Preference::of(settings),
            packed: match settings.packing {
                true => Some(Packed {
                    longest: i32::try_from(longest)?,
                    dtype,
                }),
                false => None,
            },
        })
    }

    /// The same on one of several ranks, which each drop other inputs and learn from a part of each batch.
    pub fn on(mut self, ranks: &Ranks) -> Objective {
        if ranks.size() > 1 {
            self.accumulate = true;
            self.seed ^= (ranks.rank() as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
        }
        self
    }

    /// The same for evaluation: nothing is dropped, and each row is alone.
    pub fn measured(self) -> Objective {
        Objective {
            dropout: false,
            packed: None,
            accumulate: true,
            compat: false,
            ..self
        }
    }

    /// True if answers are compared.
    pub fn compares(&self) -> bool {
        self.preference.is_some()
    }

    /// The loss first, and with it what [`Objective::outcome`] reads.
    pub fn loss<M: CausalLm>(&self, model: &M, batch: &[Array]) -> mlx_runtime::Result<Vec<Array>> {
        let [tokens, targets, mask, rest @ ..] = batch else {
            unreachable!("a batch is tokens, targets and mask")
        };
        let dropping;
        let model = match (self.dropout, rest.last()) {
            (true, Some(key)) => {
                let mut copy = model.clone();
                set_dropout_key(&mut copy, Some(&Key::from_array(key.clone())?))?;
                dropping = copy;
                &dropping
            }
            _ => model,
        };
        if let (Some(preference), [answers, reference, ..]) = (&self.preference, rest) {
            let losses = model.losses(tokens, targets, mask)?;
            return preference.loss(&losses, mask, answers, reference);
        }
        let mean = match (&self.packed, rest) {
            (Some(packed), [positions, ..]) => {
                Segments::new(positions, packed.longest, packed.dtype)?
                    .during(|| model.loss(tokens, targets, mask))?
            }
            _ => model.loss(tokens, targets, mask)?,
        };
        let mut values = vec![mean];
        if self.accumulate {
            let count = ops::sum(mask, &[], false)?;
            match self.compat {
                // mlx-lm takes the mean over batches, whatever is in them; reports are over targets. Only a rank's part of
                // a batch may have none.
                true => {
                    let one = ops::minimum(&count, 1.0)?;
                    let sum = ops::multiply(&values[0], &count)?;
                    values.extend([one, sum, count]);
                }
                false => values.push(count),
            }
        }
        Ok(values)
    }

    /// The outcome of a step, from the outputs of its loss function.
    pub fn outcome(&self, values: &[Array]) -> Result<Outcome> {
        let number = |a: &Array| a.item::<f32>().map(f64::from);
        let mut outcome = Outcome {
            loss: f64::NAN,
            rewards: None,
        };
        match (values, self.preference) {
            ([loss, pairs, correct, margins], Some(_)) => {
                let pairs = number(pairs)?;
                outcome.loss = number(loss)?;
                outcome.rewards = Some(Rewards {
                    pairs,
                    accuracy: number(correct)? / pairs,
                    margin: number(margins)? / pairs,
                });
            }
            ([mean] | [mean, _], _) => outcome.loss = number(mean)?,
            ([_, _, sum, count], _) => outcome.loss = number(sum)? / number(count)?,
            _ => {}
        }
        Ok(outcome)
    }

    /// The arrays of a batch, but for those of [`Objective::extras`].
    pub fn arrays(&self, batch: &Batch) -> Result<Vec<Array>> {
        let mut all = Vec::from(crate::eval::arrays(batch)?);
        let shape = [i32::try_from(batch.rows)?, i32::try_from(batch.width)?];
        if self.preference.is_some() {
            let answers = batch
                .answers
                .as_ref()
                .context("expected pairs of answers")?;
            let reference = batch
                .reference
                .as_ref()
                .context("expected pairs of answers")?;
            all.push(Array::from_slice(answers, &shape)?);
            all.push(Array::from_slice(reference, &shape[..1])?);
        }
        if let (Some(_), Some(positions)) = (self.packed, &batch.positions) {
            all.push(Array::from_slice(positions, &shape)?);
        }
        Ok(all)
    }

    /// The arrays that come last in batch number `iteration`. The same number gives the same ones, so that a run that goes
    /// on drops what it would have dropped.
    pub fn extras(&self, iteration: u64) -> Result<Vec<Array>> {
        if !self.dropout {
            return Ok(Vec::new());
        }
        let mut state = self.seed ^ iteration.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = split_mix(&mut state);
        Ok(vec![Array::from_slice(
            &[(bits >> 32) as u32, bits as u32],
            &[2],
        )?])
    }

    /// A batch of this shape, of so many pairs if answers are compared. The values do not matter.
    pub fn blank(&self, rows: usize, tokens: usize) -> Result<Vec<Array>> {
        let rows = match self.preference {
            Some(_) => 2 * rows,
            None => rows,
        };
        let batch = Batch {
            rows,
            width: tokens,
            tokens: vec![0; rows * tokens],
            targets: vec![0; rows * tokens],
            mask: vec![1.0; rows * tokens],
            real: rows * tokens,
            positions: Some((0..tokens as i32).cycle().take(rows * tokens).collect()),
            answers: Some(vec![1.0; rows * tokens]),
            reference: Some(vec![0.0; rows]),
        };
        let mut all = self.arrays(&batch)?;
        all.extend(self.extras(0)?);
        Ok(all)
    }
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The mean loss.
    pub loss: f64,
    /// Of pairs, how well they are told apart.
    pub rewards: Option<Rewards>,
}

/// How well a model tells chosen from rejected answers.
#[derive(Clone, Copy, Debug)]
pub struct Rewards {
    /// Pairs that were compared.
    pub pairs: f64,
    /// The share of pairs of which the chosen one has the higher reward.
    pub accuracy: f64,
    /// The mean difference of the rewards.
    pub margin: f64,
}

/// Rewards of several batches.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanRewards {
    pairs: f64,
    correct: f64,
    margins: f64,
}

impl MeanRewards {
    /// Adds those of one.
    pub fn add(&mut self, rewards: Rewards) {
        if rewards.pairs > 0.0 {
            self.pairs += rewards.pairs;
            self.correct += rewards.pairs * rewards.accuracy;
            self.margins += rewards.pairs * rewards.margin;
        }
    }

    /// The bits of the sums, so that another process gets the same ones.
    pub fn to_bits(self) -> [u64; 3] {
        [self.pairs, self.correct, self.margins].map(f64::to_bits)
    }

    /// Adds the sums of [`MeanRewards::to_bits`].
    pub fn add_bits(&mut self, bits: [u64; 3]) {
        let [pairs, correct, margins] = bits.map(f64::from_bits);
        self.pairs += pairs;
        self.correct += correct;
        self.margins += margins;
    }

    /// The mean; `None` without pairs.
    pub fn mean(&self) -> Option<Rewards> {
        (self.pairs > 0.0).then(|| Rewards {
            pairs: self.pairs,
            accuracy: self.correct / self.pairs,
            margin: self.margins / self.pairs,
        })
    }
}
