//! Puts rows side by side in one rectangle.
//!
//! Tests: `tests/batches.rs`.

use super::{Row, Widths};

/// A rectangle of `rows * width` ids; `targets[i]` is the token that follows `tokens[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Rows, padding rows included.
    pub rows: usize,
    /// Tokens in a row.
    pub width: usize,
    /// The input tokens, in row-major order; padding is 0.
    pub tokens: Vec<i32>,
    /// The target tokens, in the same order.
    pub targets: Vec<i32>,
    /// 1 if the target counts, else 0.
    pub mask: Vec<f32>,
    /// Targets that count.
    pub real: usize,
}

impl Batch {
    /// The rows of `all` that `indices` names, padded to `rows` rows and to the width that fits the longest one.
    pub fn new(
        all: &[Row],
        indices: &[usize],
        rows: usize,
        widths: &Widths,
        mask_prompt: bool,
    ) -> Batch {
        let inputs = indices
            .iter()
            .map(|&i| all[i].tokens.len().saturating_sub(1))
            .max()
            .unwrap_or(0)
            .max(1);
        let mut batch = Batch::empty(rows.max(indices.len()), widths.fit(inputs));
        for (r, &i) in indices.iter().enumerate() {
            let row = &all[i];
            batch.put(r, &row.tokens);
            for t in row.targets(mask_prompt) {
                batch.count(r, t - 1);
            }
        }
        batch
    }

    /// Makes the batch as mlx-lm does: the width is a multiple of 32, and one padding token after each row that has one
    /// counts as a target.
    pub fn compat(all: &[Row], indices: &[usize], longest: usize, mask_prompt: bool) -> Batch {
        let length = |i: usize| all[i].tokens.len();
        let most = indices.iter().map(|&i| length(i)).max().unwrap_or(0);
        let total = (1 + 32 * most.div_ceil(32)).min(longest);
        let mut batch = Batch::empty(indices.len(), total - 1);
        for (r, &i) in indices.iter().enumerate() {
            let row = &all[i];
            let kept = length(i).min(longest);
            batch.put(r, &row.tokens[..kept]);
            let offset = if mask_prompt { row.prompt } else { 0 };
            for step in offset.max(1)..=kept.min(total - 1) {
                batch.count(r, step - 1);
            }
        }
        batch
    }

    /// The rows `first`, `first + step`, .. of this batch, and rows of padding if others have one more. `real` stays the
    /// number of targets of the whole batch.
    pub fn part(&self, first: usize, step: usize) -> Batch {
        let mut part = Batch::empty(self.rows.div_ceil(step), self.width);
        for (to, from) in (first..self.rows).step_by(step).enumerate() {
            let (to, from) = (to * self.width, from * self.width);
            let (to, from) = (to..to + self.width, from..from + self.width);
            part.tokens[to.clone()].copy_from_slice(&self.tokens[from.clone()]);
            part.targets[to.clone()].copy_from_slice(&self.targets[from.clone()]);
            part.mask[to].copy_from_slice(&self.mask[from]);
        }
        part.real = self.real;
        part
    }

    fn empty(rows: usize, width: usize) -> Batch {
        Batch {
            rows,
            width,
            tokens: vec![0; rows * width],
            targets: vec![0; rows * width],
            mask: vec![0.0; rows * width],
            real: 0,
        }
    }

    fn put(&mut self, row: usize, tokens: &[u32]) {
        for (i, pair) in tokens.windows(2).enumerate() {
            self.tokens[row * self.width + i] = pair[0] as i32;
            self.targets[row * self.width + i] = pair[1] as i32;
        }
        // The last token is an input only if it has a (padding) target, as in mlx-lm's arrays.
        if let (Some(&last), true) = (tokens.last(), tokens.len() <= self.width) {
            self.tokens[row * self.width + tokens.len() - 1] = last as i32;
        }
    }

    fn count(&mut self, row: usize, target: usize) {
        self.mask[row * self.width + target] = 1.0;
        self.real += 1;
    }
}
