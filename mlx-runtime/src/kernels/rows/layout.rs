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
    /// Threads of a row: a power of two.
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

impl Layout {
    /// The layout for `rows` of these widths, some of which are `varying`, with at most `most` lanes. `bytes` is the size of the largest pack's element.
    /// `None` if there are more threads than MLX counts, or a width or the number of rows is 0.
    pub fn new(
        rows: i32,
        widths: &[i32],
        varying: &[i32],
        bytes: usize,
        sums: bool,
        most: i32,
    ) -> Option<Layout> {
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
        let lanes = turns.min(most).checked_next_power_of_two()?.min(most);
        let threads = if lanes > 32 { lanes } else { THREADS };
        let rows_each = if sums { (rows - 1) / WORKERS + 1 } else { 1 };
        let workers = (rows - 1) / rows_each + 1;
        let groups = (workers - 1) / (threads / lanes) + 1;
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

    #[test]
    fn packs_divide_every_width() {
        let of =
            |widths: &[i32]| Layout::new(10, widths, &[], 2, false, 256).map(|l| (l.lanes, l.pack));
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
            let l = Layout::new(8, &[width], &[width], 2, false, 256).unwrap();
            assert!(i64::from(l.turns(width)) * i64::from(l.lanes * l.pack) >= i64::from(width));
            (l.lanes, l.pack, l.turns(width), l.threads)
        };
        let texts: std::collections::BTreeSet<_> = (1..=8192).map(of).collect();
        assert!(texts.len() <= 30, "{}", texts.len());
    }

    #[test]
    fn every_row_has_a_worker() {
        for rows in [1, 2, 127, 128, 129, 255, 256, 257, 4096, 1_000_003] {
            for sums in [false, true] {
                for width in [1, 64, 1000, 100_000] {
                    let l = Layout::new(rows, &[width], &[], 2, sums, 256).unwrap();
                    assert!(l.groups * (l.threads / l.lanes) >= l.workers);
                    assert!(i64::from(l.workers) * i64::from(l.rows_each) >= i64::from(rows));
                    assert!((l.workers - 1) * l.rows_each < rows);
                    assert!(!sums || l.workers <= WORKERS);
                }
            }
        }
        assert_eq!(Layout::new(i32::MAX, &[4096], &[], 2, false, 256), None);
    }
}
