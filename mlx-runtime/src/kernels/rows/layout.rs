//! How the threads of a launch share rows.
//!
//! Tests: unit tests below.

/// Rows are added up by this many workers at most, whatever the device, so that a sum has one order.
const WORKERS: i32 = 256;
/// Threads of a block with several rows.
const THREADS: i32 = 128;

/// The lanes of a row, and the groups of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Threads of a row: a power of two, or several blocks.
    pub lanes: i32,
    /// Columns that a thread has side by side: a power of two that divides each width.
    pub pack: i32,
    /// Threads of a block.
    pub threads: i32,
    /// Blocks.
    pub groups: i32,
    /// Rows, or with sums parts of the rows.
    pub workers: i32,
    /// Rows of a worker.
    pub rows_each: i32,
}

/// The work of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The number of rows.
    pub rows: i32,
    /// The widths of the loops over columns.
    pub widths: &'a [i32],
    /// Those of them that differ from call to call.
    pub varying: &'a [i32],
    /// The size of the largest pack's element.
    pub bytes: usize,
    /// True if workers add up rows.
    pub sums: bool,
    /// True if the lanes of a row are threads of one block.
    pub together: bool,
}

impl Layout {
    /// The layout of some work in blocks of at most `most` threads. `None` if there are more threads than MLX counts, or
    /// a width or the number of rows is 0.
    pub fn new(work: &Work<'_>, most: i32) -> Option<Layout> {
        let wide = || Layout::of(work, most, false);
        let spread = (!work.together).then(|| Layout::of(work, most, true));
        spread.flatten().or_else(wide)
    }

    /// A layout where each lane has one pack of columns, if rows are `spread` over blocks.
    fn of(work: &Work<'_>, most: i32, spread: bool) -> Option<Layout> {
        let Work {
            rows,
            widths,
            varying,
            bytes,
            sums,
            ..
        } = *work;
        let widest = widths.iter().copied().max().unwrap_or(1);
        if rows < 1 || widths.iter().any(|w| *w < 1) {
            return None;
        }
        let mut pack = i32::try_from(16 / bytes.max(1)).unwrap_or(1).clamp(1, 8);
        let fixed = widths.iter().filter(|w| !varying.contains(w));
        while fixed.clone().any(|w| w % pack != 0) {
            pack /= 2;
        }
        // Two texts are enough for lengths that differ from call to call.
        if varying.iter().any(|w| w % pack != 0) {
            pack = 1;
        }
        let turns = widest / pack + i32::from(widest % pack != 0);
        let lanes = match spread && turns > most {
            true if varying.is_empty() => ((turns - 1) / most + 1).checked_mul(most)?,
            true => turns.checked_next_power_of_two()?,
            false => turns.min(most).checked_next_power_of_two()?.min(most),
        };
        let threads = if lanes > 32 { lanes.min(most) } else { THREADS };
        let rows_each = if sums { (rows - 1) / WORKERS + 1 } else { 1 };
        let workers = (rows - 1) / rows_each + 1;
        let all = workers.checked_mul(lanes)?;
        let groups = (all - 1) / threads + 1;
        groups.checked_mul(threads)?;
        Some(Layout {
            lanes,
            pack,
            threads,
            groups,
            workers,
            rows_each,
        })
    }
}

impl Layout {
    /// The turns of a thread over the columns of a width, or more.
    pub fn turns(&self, width: i32) -> i32 {
        let columns = i64::from(self.lanes) * i64::from(self.pack);
        let turns = (i64::from(width) + columns - 1) / columns;
        u32::try_from(turns)
            .ok()
            .and_then(u32::checked_next_power_of_two)
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or(i32::MAX)
    }
}

trait NextPowerOfTwo: Sized {
    fn checked_next_power_of_two(self) -> Option<Self>;
}

impl NextPowerOfTwo for i32 {
    fn checked_next_power_of_two(self) -> Option<i32> {
        u32::try_from(self)
            .ok()?
            .checked_next_power_of_two()?
            .try_into()
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(rows: i32, widths: &[i32]) -> Work<'_> {
        Work {
            rows,
            widths,
            varying: &[],
            bytes: 2,
            sums: false,
            together: true,
        }
    }

    #[test]
    fn rows_without_reductions_have_several_blocks() {
        let of = |rows, width, together| {
            let widths = &[width];
            let work = Work {
                together,
                ..work(rows, widths)
            };
            Layout::new(&work, 256).map(|l| (l.groups, l.lanes, l.turns(width)))
        };
        assert_eq!(of(128, 14336, true), Some((128, 256, 8)));
        assert_eq!(of(128, 14336, false), Some((7 * 128, 7 * 256, 1)));
        assert_eq!(of(128, 2048, false), Some((128, 256, 1)));
        // So many threads would be more than MLX counts.
        assert_eq!(of(1 << 22, 1 << 14, false), Some((1 << 22, 256, 8)));
    }

    #[test]
    fn packs_divide_every_width() {
        let of = |widths: &[i32]| Layout::new(&work(10, widths), 256).map(|l| (l.lanes, l.pack));
        assert_eq!(of(&[4096]), Some((256, 8)));
        assert_eq!(of(&[128]), Some((16, 8)));
        assert_eq!(of(&[128, 4]), Some((32, 4)));
        assert_eq!(of(&[31]), Some((32, 1)));
        assert_eq!(of(&[]), Some((1, 8)));
        assert_eq!(of(&[8, 0]), None);
    }

    #[test]
    fn lengths_that_differ_share_texts() {
        let of = |width: i32| {
            let varying = &[width];
            let work = Work {
                varying,
                together: width % 2 == 0,
                ..work(8, varying)
            };
            let l = Layout::new(&work, 256).unwrap();
            assert!(i64::from(l.turns(width)) * i64::from(l.lanes * l.pack) >= i64::from(width));
            (l.lanes, l.pack, l.turns(width), l.threads)
        };
        let texts: std::collections::BTreeSet<_> = (1..=8192).map(of).collect();
        assert!(texts.len() <= 36, "{}", texts.len());
    }

    #[test]
    fn every_row_has_a_worker() {
        for rows in [1, 2, 127, 128, 129, 255, 256, 257, 4096, 1_000_003] {
            for (sums, together) in [(false, false), (false, true), (true, false), (true, true)] {
                for width in [1, 64, 1000, 100_000] {
                    let widths = &[width];
                    let work = Work {
                        sums,
                        together,
                        ..work(rows, widths)
                    };
                    let l = Layout::new(&work, 256).unwrap();
                    let threads = i64::from(l.groups) * i64::from(l.threads);
                    assert!(threads >= i64::from(l.workers) * i64::from(l.lanes));
                    assert!(l.lanes % l.threads == 0 || l.threads % l.lanes == 0);
                    assert!(!together || l.lanes <= l.threads);
                    assert!(i64::from(l.workers) * i64::from(l.rows_each) >= i64::from(rows));
                    assert!((l.workers - 1) * l.rows_each < rows);
                    assert!(!sums || l.workers <= WORKERS);
                }
            }
        }
        assert_eq!(Layout::new(&work(i32::MAX, &[4096]), 256), None);
    }
}
