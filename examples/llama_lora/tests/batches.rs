//! Properties of the batches, compared with a naive reading of the rows.

use std::collections::HashMap;

use llama_lora::data::{held_out, width, Batch, BatchOptions, Batches, Cursor, Row};
use llama_lora::random::Shuffle;
use proptest::prelude::*;

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (2usize..90, 0usize..40, 1usize..3)
        .prop_map(|(len, prompt, keys)| (len, prompt.min(len - 1), keys));
    prop::collection::vec(row, 1..40).prop_map(|rows| {
        let mut next = 0;
        rows.into_iter()
            .map(|(len, prompt, keys)| {
                // Every token is unique, so that a target can be traced to its row and place.
                let tokens = (0..len as u32).map(|i| next + i + 1).collect();
                next += len as u32;
                Row {
                    tokens,
                    prompt,
                    keys,
                    rejected: None,
                    reference: None,
                }
            })
            .collect()
    })
}

fn options() -> impl Strategy<Value = BatchOptions> {
    (1usize..7, 1usize..6, any::<bool>()).prop_map(|(batch_size, buckets, mask_prompt)| {
        BatchOptions {
            batch_size,
            longest: 90,
            buckets,
            mask_prompt,
            compat: false,
            packed: false,
        }
    })
}

/// (input token, target) -> the number of times that it counts, read off the batch.
fn counted(batch: &Batch, into: &mut HashMap<(i32, i32), u32>) {
    for i in 0..batch.rows * batch.width {
        if batch.mask[i] != 0.0 {
            *into.entry((batch.tokens[i], batch.targets[i])).or_default() += 1;
        }
    }
}

/// The same, naively: every neighbouring pair of a row with a second token that is a target.
fn naive(rows: &[Row], mask_prompt: bool) -> HashMap<(i32, i32), u32> {
    let mut all = HashMap::new();
    for row in rows {
        for i in 1..row.tokens.len() {
            if !mask_prompt || i >= row.prompt {
                *all.entry((row.tokens[i - 1] as i32, row.tokens[i] as i32))
                    .or_default() += 1;
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pass_counts_each_real_target_once_and_no_padding(rows in rows(), o in options(), seed: u64) {
        let mut batches = Batches::new(&rows, o, Shuffle::new(seed)).unwrap();
        let (mut seen, mut widths) = (HashMap::new(), std::collections::HashSet::new());
        prop_assert!(batches.widths().all().len() <= o.buckets);
        for _ in 0..batches.per_pass() {
            let batch = batches.next_batch().unwrap();
            widths.insert(batch.width);
            prop_assert_eq!(batches.epoch(), 1);
            prop_assert_eq!(batch.rows, o.batch_size.min(rows.len()));
            prop_assert_eq!(batch.real, batch.mask.iter().filter(|m| **m != 0.0).count());
            counted(&batch, &mut seen);
        }
        prop_assert_eq!(seen, naive(&rows, o.mask_prompt));
        prop_assert!(widths.len() <= o.buckets, "{:?}", widths);
        batches.next_batch().unwrap();
        prop_assert_eq!(batches.epoch(), 2);
    }

    #[test]
    fn held_out_rows_are_each_counted_once(rows in rows(), o in options()) {
        let mut seen = HashMap::new();
        let mut indices = Vec::new();
        for (group, batch) in held_out(&rows, o, None, &mut Shuffle::new(0)).unwrap() {
            counted(&batch, &mut seen);
            indices.extend(group);
        }
        indices.sort_unstable();
        prop_assert_eq!(indices, (0..rows.len()).collect::<Vec<_>>());
        prop_assert_eq!(seen, naive(&rows, o.mask_prompt));
    }

    #[test]
    fn inputs_come_before_their_targets_in_the_row(rows in rows(), o in options()) {
        for (group, batch) in held_out(&rows, o, Some(2), &mut Shuffle::new(0)).unwrap() {
            for (r, &i) in group.iter().enumerate() {
                let at = r * batch.width;
                for (k, pair) in rows[i].tokens.windows(2).enumerate() {
                    prop_assert_eq!(batch.tokens[at + k], pair[0] as i32);
                    prop_assert_eq!(batch.targets[at + k], pair[1] as i32);
                }
            }
        }
    }

    #[test]
    fn a_saved_run_goes_on_with_the_very_next_batch(
        rows in rows(), mut o in options(), seed: u32, before in 0usize..50, compat: bool,
    ) {
        o.compat = compat;
        o.batch_size = o.batch_size.min(rows.len());
        let shuffle = if compat { Shuffle::numpy(seed) } else { Shuffle::new(u64::from(seed)) };
        let mut batches = Batches::new(&rows, o, shuffle).unwrap();
        for i in 0..before {
            batches.next_batch().unwrap();
            if i % 7 == 0 {
                let mut shuffle = batches.cursor().shuffle().clone();
                shuffle.permutation(5);
                batches.set_shuffle(shuffle);
            }
        }
        let saved = serde_json::to_string(batches.cursor()).unwrap();
        let cursor: Cursor = serde_json::from_str(&saved).unwrap();
        let mut resumed = Batches::resume(&rows, o, cursor).unwrap();
        for _ in 0..30 {
            prop_assert_eq!(resumed.next_batch().unwrap(), batches.next_batch().unwrap());
        }
    }

    #[test]
    fn widths_are_few_and_fit(inputs in 1usize..5000, longest in 1usize..5000) {
        let w = width(inputs, longest);
        prop_assert!(w >= inputs);
        prop_assert!(w <= inputs.max(longest));
        prop_assert!(w <= inputs.max(16) + inputs / 4 + 16);
    }

    #[test]
    fn mlx_lms_rectangles(rows in rows(), mask_prompt: bool, longest in 2usize..100) {
        let indices: Vec<usize> = (0..rows.len()).collect();
        let batch = Batch::compat(&rows, &indices, longest, mask_prompt);
        // Straight from mlx-lm's `iterate_batches` and `default_loss`.
        let most = rows.iter().map(|r| r.tokens.len()).max().unwrap();
        let total = (1 + 32 * most.div_ceil(32)).min(longest);
        prop_assert_eq!(batch.width, total - 1);
        for (r, row) in rows.iter().enumerate() {
            let mut array = vec![0; total];
            let kept = row.tokens.len().min(longest);
            for (slot, token) in array.iter_mut().zip(&row.tokens[..kept]) {
                *slot = *token as i32;
            }
            let offset = if mask_prompt { row.prompt } else { 0 };
            for step in 1..total {
                let at = r * batch.width + step - 1;
                prop_assert_eq!(batch.tokens[at], array[step - 1]);
                prop_assert_eq!(batch.targets[at], array[step]);
                prop_assert_eq!(batch.mask[at] != 0.0, step >= offset && step <= kept);
            }
        }
    }
}

#[test]
fn there_are_at_most_24_widths_up_to_2048_tokens() {
    let mut widths: Vec<usize> = (1..=2048).map(|n| width(n, 2048)).collect();
    widths.dedup();
    assert!(widths.len() <= 24, "{widths:?}");
}

#[test]
fn too_few_rows_for_mlx_lms_batches_is_an_error() {
    let rows = vec![Row {
        tokens: vec![1, 2],
        prompt: 0,
        keys: 1,
        rejected: None,
        reference: None,
    }];
    let o = BatchOptions {
        batch_size: 2,
        longest: 9,
        buckets: 4,
        mask_prompt: false,
        compat: true,
        packed: false,
    };
    assert!(Batches::new(&rows, o, Shuffle::numpy(0)).is_err());
}
