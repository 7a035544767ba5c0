//! Groups rows into batches, and orders the batches.
//!
//! Tests: `tests/batches.rs`.

use anyhow::{ensure, Result};
use serde::{Deserialize, Serialize};

use super::packing::first_fit_decreasing;
use super::{Batch, Row, Widths};
use crate::random::Shuffle;

/// Options for grouping rows into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Rows in a batch.
    pub batch_size: usize,
    /// The most tokens that a row may have.
    pub longest: usize,
    /// The most different widths of batches.
    pub buckets: usize,
    /// True if only the answers count.
    pub mask_prompt: bool,
    /// Follow mlx-lm: fixed groups in the file's order, rows that fill no batch left out.
    pub compat: bool,
    /// Put several rows into each row of a batch.
    pub packed: bool,
}

/// The position of an endless run over the rows, with everything needed to continue at the very next batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The generator as it was when the current pass was shuffled.
    start: Shuffle,
    /// The generator now.
    now: Shuffle,
    /// Batches of the current pass that were handed out.
    position: usize,
    /// Passes begun.
    epoch: u64,
}

/// An endless run over the rows: shuffled again in every pass, each row once in each.
pub struct Batches<'a> {
    rows: &'a [Row],
    options: BatchOptions,
    widths: Widths,
    order: Vec<Group>,
    cursor: Cursor,
}

impl Cursor {
    /// The generator, so that other code can draw from it: mlx-lm shuffles the valid split with the same one.
    pub fn shuffle(&self) -> &Shuffle {
        &self.now
    }

    /// Puts back a generator that other code drew from.
    pub fn set_shuffle(&mut self, shuffle: Shuffle) {
        self.now = shuffle;
    }
}

impl BatchOptions {
    /// Batches of no more rows than there are: the others would be padding.
    fn of(mut self, rows: &[Row]) -> Self {
        if self.packed {
            let bins = bins(rows, (0..rows.len()).collect(), self).len();
            self.batch_size = self.batch_size.min(bins).max(1);
        } else if !self.compat {
            self.batch_size = self.batch_size.min(rows.len()).max(1);
        }
        self
    }
}

impl<'a> Batches<'a> {
    /// Starts the first pass.
    pub fn new(rows: &'a [Row], options: BatchOptions, shuffle: Shuffle) -> Result<Self> {
        let options = options.of(rows);
        let cursor = Cursor {
            start: shuffle.clone(),
            now: shuffle,
            position: 0,
            epoch: 0,
        };
        let mut batches = Batches {
            rows,
            options,
            widths: Widths::of(rows, options),
            order: Vec::new(),
            cursor,
        };
        batches.begin_pass()?;
        let learnt = |group: &Group| make(rows, group, options, &batches.widths).real > 0;
        ensure!(
            !options.compat || batches.order.iter().any(learnt),
            "no batch has a target, because the answers of its rows are empty or cut off: raise --max-seq-length"
        );
        Ok(batches)
    }

    /// Continues at `cursor`; the rows and options must be the same.
    pub fn resume(rows: &'a [Row], options: BatchOptions, cursor: Cursor) -> Result<Self> {
        let options = options.of(rows);
        let mut replay = cursor.start.clone();
        let widths = Widths::of(rows, options);
        let order = order(rows, options, &widths, &mut replay)?;
        ensure!(
            cursor.position <= order.len(),
            "the saved run stopped at batch {} of a pass, but the data has {}: use the data of the saved run",
            cursor.position,
            order.len()
        );
        Ok(Batches {
            rows,
            options,
            widths,
            order,
            cursor,
        })
    }

    /// The current position of the run.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The pass that the last batch belongs to, counted from 1.
    pub fn epoch(&self) -> u64 {
        self.cursor.epoch
    }

    /// Batches in a pass.
    pub fn per_pass(&self) -> usize {
        self.order.len()
    }

    /// Rows in a batch; pairs, if the rows are pairs.
    pub fn rows(&self) -> usize {
        self.options.batch_size
    }

    /// The widths of the batches.
    pub fn widths(&self) -> &Widths {
        &self.widths
    }

    /// As [`Cursor::set_shuffle`].
    pub fn set_shuffle(&mut self, shuffle: Shuffle) {
        self.cursor.set_shuffle(shuffle);
    }

    /// The next batch.
    pub fn next_batch(&mut self) -> Result<Batch> {
        if self.cursor.position == self.order.len() {
            self.begin_pass()?;
        }
        let indices = &self.order[self.cursor.position];
        let batch = make(self.rows, indices, self.options, &self.widths);
        self.cursor.position += 1;
        Ok(batch)
    }

    fn begin_pass(&mut self) -> Result<()> {
        self.cursor.start = self.cursor.now.clone();
        self.order = order(self.rows, self.options, &self.widths, &mut self.cursor.now)?;
        self.cursor.position = 0;
        self.cursor.epoch += 1;
        Ok(())
    }
}

/// The rows of a batch.
#[derive(Clone, Debug)]
enum Group {
    /// One in each row.
    Alone(Vec<usize>),
    /// Several in each row.
    Packed(Vec<Vec<usize>>),
}

fn make(rows: &[Row], group: &Group, o: BatchOptions, widths: &Widths) -> Batch {
    match group {
        Group::Packed(bins) => Batch::packed(rows, bins, o.batch_size, o.longest, o.mask_prompt),
        Group::Alone(indices) if o.compat => Batch::compat(rows, indices, o.longest, o.mask_prompt),
        Group::Alone(indices) => Batch::new(rows, indices, o.batch_size, widths, o.mask_prompt),
    }
}

/// Bins of rows. Their number depends on the rows' lengths alone, and not on the order.
fn bins(rows: &[Row], order: Vec<usize>, o: BatchOptions) -> Vec<Vec<usize>> {
    let sizes: Vec<usize> = rows.iter().map(Row::inputs).collect();
    first_fit_decreasing(&sizes, order, o.longest)
}

/// One pass: groups of indices.
fn order(
    rows: &[Row],
    o: BatchOptions,
    widths: &Widths,
    shuffle: &mut Shuffle,
) -> Result<Vec<Group>> {
    let groups: Vec<Group> = if o.packed {
        let mut all = bins(rows, shuffle.permutation(rows.len()), o);
        // The first bins hold the longest rows.
        let places = shuffle.permutation(all.len());
        let mixed: Vec<Vec<usize>> = places
            .into_iter()
            .map(|i| std::mem::take(&mut all[i]))
            .collect();
        mixed
            .chunks(o.batch_size)
            .map(|c| Group::Packed(c.to_vec()))
            .collect()
    } else if o.compat {
        ensure!(
            rows.len() >= o.batch_size,
            "expected at least as many rows as --batch-size {} because of --compat, found {}",
            o.batch_size,
            rows.len()
        );
        // mlx-lm means to sort by length but measures the number of keys; the sort is stable.
        let mut all: Vec<usize> = (0..rows.len()).collect();
        all.sort_by_key(|&i| rows[i].keys);
        all.chunks_exact(o.batch_size)
            .map(|c| Group::Alone(c.to_vec()))
            .collect()
    } else {
        let all = shuffle.permutation(rows.len());
        let groups = by_width(rows, all, o, widths);
        groups.into_iter().map(Group::Alone).collect()
    };
    Ok(shuffle
        .permutation(groups.len())
        .into_iter()
        .map(|g| groups[g].clone())
        .collect())
}

/// Rows of like width together, otherwise in the order given; the last group may be short.
fn by_width(
    rows: &[Row],
    mut indices: Vec<usize>,
    o: BatchOptions,
    widths: &Widths,
) -> Vec<Vec<usize>> {
    indices.sort_by_key(|&i| widths.fit(rows[i].inputs()));
    indices
        .chunks(o.batch_size)
        .map(<[usize]>::to_vec)
        .collect()
}

/// Batches to measure on, at most `most` of them, each with the indices of its rows. Outside `compat` they are the
/// first rows of the split, the same every time; in it, mlx-lm's random choice.
pub fn held_out(
    rows: &[Row],
    o: BatchOptions,
    most: Option<usize>,
    shuffle: &mut Shuffle,
) -> Result<Vec<(Vec<usize>, Batch)>> {
    let asked = o.batch_size;
    // Each loss must be found again in its row.
    let o = BatchOptions { packed: false, ..o }.of(rows);
    let widths = Widths::of(rows, o);
    let mut groups: Vec<Vec<usize>> = if o.compat {
        let alone = |g| match g {
            Group::Alone(indices) => indices,
            Group::Packed(bins) => bins.concat(),
        };
        order(rows, o, &widths, shuffle)?
            .into_iter()
            .map(alone)
            .collect()
    } else {
        let count = most.map_or(rows.len(), |m| m.saturating_mul(asked).min(rows.len()));
        by_width(rows, (0..count).collect(), o, &widths)
    };
    groups.truncate(most.unwrap_or(usize::MAX));
    Ok(groups
        .into_iter()
        .map(|g| {
            let group = Group::Alone(g.clone());
            (g, make(rows, &group, o, &widths))
        })
        .collect())
}
