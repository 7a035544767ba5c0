//! Puts several rows into each row of a batch: first fit, the longest first (Johnson 1973).
//!
//! Tests: unit tests below, `tests/batches.rs`.

/// Bins of at most `capacity` of `sizes`, by index. The longest come first, those of one size in the order of `order`.
/// Sizes above the capacity get a bin of their own.
pub fn first_fit_decreasing(
    sizes: &[usize],
    mut order: Vec<usize>,
    capacity: usize,
) -> Vec<Vec<usize>> {
    order.sort_by_key(|&i| std::cmp::Reverse(sizes[i]));
    let mut bins: Vec<Vec<usize>> = Vec::new();
    let mut room = Room::new(order.len());
    for i in order {
        let size = sizes[i].min(capacity);
        match room.first(size) {
            Some(bin) if bin < bins.len() => {
                bins[bin].push(i);
                room.set(bin, room.of(bin) - size);
            }
            _ => {
                room.set(bins.len(), capacity - size);
                bins.push(vec![i]);
            }
        }
    }
    bins
}

/// The room that is left in each bin, in a tree of maxima, so that the first bin with enough room is found without a look at all.
struct Room {
    tree: Vec<usize>,
    leaves: usize,
}

impl Room {
    /// Room for so many bins, none of which is open.
    fn new(bins: usize) -> Self {
        let leaves = bins.next_power_of_two().max(1);
        Room {
            tree: vec![0; 2 * leaves],
            leaves,
        }
    }

    fn of(&self, bin: usize) -> usize {
        self.tree[self.leaves + bin]
    }

    fn set(&mut self, bin: usize, room: usize) {
        let mut at = self.leaves + bin;
        self.tree[at] = room;
        while at > 1 {
            at /= 2;
            self.tree[at] = self.tree[2 * at].max(self.tree[2 * at + 1]);
        }
    }

    /// The first bin with that much room.
    fn first(&self, size: usize) -> Option<usize> {
        if size == 0 || self.tree[1] < size {
            return None;
        }
        let mut at = 1;
        while at < self.leaves {
            at *= 2;
            at += usize::from(self.tree[at] < size);
        }
        Some(at - self.leaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same without a tree.
    fn naive(sizes: &[usize], capacity: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(sizes[i]));
        let mut bins: Vec<(usize, Vec<usize>)> = Vec::new();
        for i in order {
            match bins.iter_mut().find(|b| b.0 >= sizes[i]) {
                Some((room, bin)) => {
                    *room -= sizes[i];
                    bin.push(i);
                }
                None => bins.push((capacity - sizes[i], vec![i])),
            }
        }
        bins.into_iter().map(|b| b.1).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_first_fit_decreasing(sizes in prop::collection::vec(1usize..20, 0..60)) {
            let order = (0..sizes.len()).collect();
            prop_assert_eq!(first_fit_decreasing(&sizes, order, 20), naive(&sizes, 20));
        }
    }
}
