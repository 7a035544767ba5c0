//! Loss and exact match on rows that were held out.

use anyhow::Result;
use mlx_runtime::nn::KvCache;
use mlx_runtime::{ops, Array, Dtype};

use crate::ask::Asked;
use crate::data::{Batch, Row};
use crate::text::Text;
use mlx_models::CausalLm;

/// What was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Mean loss of a target.
    pub loss: f64,
    /// Targets that were counted.
    pub targets: usize,
    /// Rows whose whole answer is what the model writes by itself.
    pub exact: usize,
    /// Rows that have an answer.
    pub asked: usize,
}

impl Score {
    /// `e^loss`: among how many tokens the model hesitates.
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

/// Measures loss and exact match in one pass over the batches; `asked` says for each row what the model is asked.
///
/// An answer is exact if greedy decoding would write its text, and then end.
pub fn measure(
    model: &impl CausalLm,
    text: &Text,
    (rows, asked): (&[Row], &[Asked]),
    batches: &[(Vec<usize>, Batch)],
    mut progress: impl FnMut(usize),
) -> Result<Score> {
    let mut score = Score::default();
    let mut total = 0.0;
    for (done, (indices, batch)) in batches.iter().enumerate() {
        let [tokens, targets, mask] = arrays(batch)?;
        let logits = model.logits(&tokens, &mut KvCache::off())?;
        let logits = ops::astype(&logits, Dtype::Float32)?;
        let picked = ops::take_along_axis(&logits, &ops::expand_dims(&targets, &[-1])?, -1)?;
        let nll = ops::subtract(
            &ops::logsumexp(&logits, &[-1], false)?,
            &ops::squeeze(&picked, &[-1])?,
        )?;
        let sum = ops::sum(&ops::multiply(&nll, &mask)?, &[], false)?;
        let best = ops::argmax(&logits, -1, false)?;
        mlx_runtime::transforms::eval(&[&sum, &best])?;
        total += f64::from(sum.item::<f32>()?);
        score.targets += batch.real;
        let best = best.to_vec::<u32>()?;
        for (r, &i) in indices.iter().enumerate() {
            let predicted = &best[r * batch.width..(r + 1) * batch.width];
            if let Some(exact) = asked[i].is_exact(model, text, &rows[i], predicted)? {
                score.asked += 1;
                score.exact += usize::from(exact);
            }
        }
        progress(done + 1);
    }
    score.loss = total / score.targets.max(1) as f64;
    Ok(score)
}

/// Loss alone, by the model's own loss: what is measured while training.
pub fn loss(
    model: &impl CausalLm,
    batches: &[(Vec<usize>, Batch)],
    mut progress: impl FnMut(usize),
) -> Result<f64> {
    let (mut total, mut targets) = (0.0, 0usize);
    for (done, (_, batch)) in batches.iter().enumerate() {
        // A row that was cut may leave a batch without targets: its mean would be no number.
        if batch.real > 0 {
            let [tokens, wanted, mask] = arrays(batch)?;
            let mean = model.loss(&tokens, &wanted, &mask)?.item::<f32>()?;
            total += f64::from(mean) * batch.real as f64;
            targets += batch.real;
        }
        progress(done + 1);
    }
    Ok(total / targets.max(1) as f64)
}
