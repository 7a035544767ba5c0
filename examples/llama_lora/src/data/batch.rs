//! Puts rows side by side in one rectangle.
//!
//! Tests: `tests/batches.rs`.

use super::{Row, Widths};

/// A rectangle of `rows * width` ids; `targets[i]` is the token that follows `tokens[i]`. Of pairs the first half of the
/// rows are chosen, and the second half rejected.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Of several texts in a row, the place of each token in its text.
    pub positions: Option<Vec<i32>>,
    /// Of pairs, 1 if the target belongs to an answer.
    pub answers: Option<Vec<f32>>,
    /// Of pairs, the log-probability of each row's answer by the reference model.
    pub reference: Option<Vec<f32>>,
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
        let inputs = indices.iter().map(|&i| all[i].inputs()).max().unwrap_or(1);
        if indices.iter().any(|&i| all[i].rejected.is_some()) {
            return Batch::of_pairs(all, indices, rows, widths.fit(inputs), mask_prompt);
        }
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

    /// Pairs: all that were chosen, then all that were rejected. Prompts count where what was chosen is learnt as well.
    fn of_pairs(
        all: &[Row],
        indices: &[usize],
        rows: usize,
        width: usize,
        mask_prompt: bool,
    ) -> Batch {
        let pairs = rows.max(indices.len());
        let mut batch = Batch::empty(2 * pairs, width);
        let mut answers = vec![0.0; 2 * pairs * width];
        let mut reference = vec![0.0; 2 * pairs];
        for (r, &i) in indices.iter().enumerate() {
            let halves = [Some(&all[i]), all[i].rejected.as_deref()];
            for (half, row) in halves.into_iter().enumerate() {
                let Some(row) = row else { continue };
                let r = r + half * pairs;
                batch.put(r, &row.tokens);
                for t in row.targets(mask_prompt) {
                    batch.count(r, t - 1);
                }
                for t in row.targets(true) {
                    answers[r * width + t - 1] = 1.0;
                }
                reference[r] = all[i].reference.map_or(0.0, |both| both[half]);
            }
        }
        batch.answers = Some(answers);
        batch.reference = Some(reference);
        batch
    }

    /// Rows of several texts each: `bins` of indices.
    pub fn packed(
        all: &[Row],
        bins: &[Vec<usize>],
        rows: usize,
        width: usize,
        mask_prompt: bool,
    ) -> Batch {
        let mut batch = Batch::empty(rows.max(bins.len()), width);
        // Each token of the padding is a text of its own, which nothing sees.
        let mut positions = vec![0; batch.rows * width];
        for (r, bin) in bins.iter().enumerate() {
            let mut start = r * width;
            for &i in bin {
                let row = &all[i];
                for (k, pair) in row.tokens.windows(2).enumerate() {
                    batch.tokens[start + k] = pair[0] as i32;
                    batch.targets[start + k] = pair[1] as i32;
                    positions[start + k] = k as i32;
                }
                for t in row.targets(mask_prompt) {
                    batch.mask[start + t - 1] = 1.0;
                    batch.real += 1;
                }
                start += row.inputs();
            }
        }
        batch.positions = Some(positions);
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

    /// The rows (or pairs) `first`, `first + step`, .. of this batch, and rows of padding if others have one more. `real` stays
    /// the number of targets of the whole batch.
    pub fn part(&self, first: usize, step: usize) -> Batch {
        let halves = if self.answers.is_some() { 2 } else { 1 };
        let all = self.rows / halves;
        let from: Vec<Option<usize>> = (0..halves)
            .flat_map(|half| {
                let rows = (0..all.div_ceil(step)).map(move |k| first + k * step);
                rows.map(move |row| (row < all).then_some(half * all + row))
            })
            .collect();
        let width = self.width;
        Batch {
            rows: from.len(),
            width,
            tokens: rows(&self.tokens, &from, width),
            targets: rows(&self.targets, &from, width),
            mask: rows(&self.mask, &from, width),
            real: self.real,
            positions: self.positions.as_ref().map(|p| rows(p, &from, width)),
            answers: self.answers.as_ref().map(|a| rows(a, &from, width)),
            reference: self.reference.as_ref().map(|r| rows(r, &from, 1)),
        }
    }

    fn empty(rows: usize, width: usize) -> Batch {
        Batch {
            rows,
            width,
            tokens: vec![0; rows * width],
            targets: vec![0; rows * width],
            mask: vec![0.0; rows * width],
            ..Batch::default()
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

/// The rows that `from` names, of `width` values each; others are zeros.
fn rows<T: Copy + Default>(values: &[T], from: &[Option<usize>], width: usize) -> Vec<T> {
    let mut out = vec![T::default(); from.len() * width];
    for (to, from) in out.chunks_exact_mut(width).zip(from) {
        if let Some(row) = from {
            to.copy_from_slice(&values[row * width..(row + 1) * width]);
        }
    }
    out
}
