//! Chooses the widths that rows are padded to: few, so that there are few shapes of batch.
//!
//! Tests: unit tests below.

use std::collections::BTreeMap;

use super::{BatchOptions, Row};

/// The width that rows of `inputs` tokens are padded to: a multiple of 16 up to 128, then of an eighth of the
/// next power of two. So there are few widths, however long the rows, and little padding.
pub fn width(inputs: usize, longest: usize) -> usize {
    let step = (inputs.next_power_of_two() / 8).max(16);
    inputs.next_multiple_of(step).min(longest).max(inputs)
}

/// The widths of all batches of some rows; the options limit their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widths(Vec<usize>);

impl Widths {
    /// The widths with the least padding: those of [`width`], or the best choice of them if they are too many.
    pub fn of(rows: &[Row], o: BatchOptions) -> Widths {
        if o.packed {
            return Widths(vec![o.longest]);
        }
        let mut counts = BTreeMap::new();
        for row in rows {
            let w = width(row.inputs(), o.longest.saturating_sub(1));
            *counts.entry(w).or_insert(0) += 1;
        }
        Widths(least_padding(
            &counts.into_iter().collect::<Vec<_>>(),
            o.buckets.max(1),
        ))
    }

    /// The width for rows of up to `inputs` tokens.
    pub fn fit(&self, inputs: usize) -> usize {
        let at = self.0.partition_point(|&w| w < inputs);
        self.0.get(at).copied().unwrap_or(inputs)
    }

    /// From the narrowest.
    pub fn all(&self) -> &[usize] {
        &self.0
    }
}

/// At most `most` of the widths, the largest among them, so that padding every row to the next one takes the fewest
/// tokens. Widths come in order, each with its number of rows.
fn least_padding(widths: &[(usize, usize)], most: usize) -> Vec<usize> {
    let n = widths.len();
    if n <= most {
        return widths.iter().map(|&(w, _)| w).collect();
    }
    let mut before = vec![0; n + 1];
    for (i, &(_, count)) in widths.iter().enumerate() {
        before[i + 1] = before[i] + count;
    }
    // cost[j]: tokens of the first j widths, the last of them chosen; from[k][j]: the end of the group before it.
    let group = |i: usize, j: usize| widths[j - 1].0 * (before[j] - before[i]);
    let mut cost: Vec<usize> = (0..=n)
        .map(|j| if j == 0 { 0 } else { group(0, j) })
        .collect();
    let mut from = vec![vec![0; n + 1]];
    for _ in 1..most {
        let best = |j: usize| (0..j).map(|i| (cost[i] + group(i, j), i)).min();
        let next: Vec<(usize, usize)> = (0..=n).map(|j| best(j).unwrap_or((0, 0))).collect();
        cost = next.iter().map(|&(c, _)| c).collect();
        from.push(next.into_iter().map(|(_, i)| i).collect());
    }
    let (mut chosen, mut j) = (Vec::new(), n);
    for ends in from.iter().rev() {
        if j > 0 {
            chosen.push(widths[j - 1].0);
            j = ends[j];
        }
    }
    chosen.reverse();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn padded(widths: &[(usize, usize)], chosen: &[usize]) -> usize {
        let next = |w: usize| chosen.iter().copied().find(|&c| c >= w).unwrap();
        widths.iter().map(|&(w, n)| n * next(w)).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_other_choice_pads_less(
            steps in prop::collection::vec((1usize..40, 1usize..30), 1..9), most in 1usize..6,
        ) {
            let mut w = 0;
            let widths: Vec<_> = steps.iter().map(|&(step, n)| { w += step; (w, n) }).collect();
            let chosen = least_padding(&widths, most);
            prop_assert!(chosen.len() <= most.min(widths.len()));
            prop_assert!(chosen.is_sorted_by(|a, b| a < b));
            let least = (0u32..1 << widths.len())
                .filter(|bits| bits.count_ones() as usize <= most)
                .filter(|bits| bits >> (widths.len() - 1) & 1 == 1)
                .map(|bits| {
                    let some: Vec<usize> =
                        (0..widths.len()).filter(|i| bits >> i & 1 == 1).map(|i| widths[i].0).collect();
                    padded(&widths, &some)
                })
                .min();
            prop_assert_eq!(Some(padded(&widths, &chosen)), least);
        }
    }
}
