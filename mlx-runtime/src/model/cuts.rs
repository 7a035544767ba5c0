//! Chooses the layers that run again in the backward pass (Chen et al. 2016), so that the rest fits in memory. The
//! choice is plain arithmetic on the bytes that each layer keeps, some microseconds for a whole model.
//!
//! The backward pass goes from the last layer to the first. When the first layers run a second time, the bytes of the
//! last ones are free again. So the cheapest choice runs the first layers again, in spans, and keeps the last ones
//! whole.
//!
//! Tests: unit tests below.

/// A stack of layers, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Bytes that each layer keeps for the backward pass.
    pub layers: Vec<usize>,
    /// Bytes that pass from one layer to the next.
    pub boundary: usize,
    /// True if its layers hold stacks of their own.
    pub nested: bool,
}

/// The gradient checkpoints of a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cut {
    /// The number of layers, from the first, that run again; the others keep everything.
    pub again: usize,
    /// The number of them between two boundaries.
    pub span: usize,
}

impl Cut {
    /// Every layer runs again, `span` at a time; with 0 none does.
    pub fn every(layers: usize, span: usize) -> Cut {
        match span {
            0 => Cut::default(),
            _ => Cut {
                again: layers,
                span,
            },
        }
    }

    /// The ends of the spans.
    pub fn spans(self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let span = self.span.max(1);
        (0..self.again)
            .step_by(span)
            .map(move |start| start..(start + span).min(self.again))
    }
}

impl Stack {
    /// Bytes that are kept at the boundaries, and bytes of the largest span.
    fn again(&self, cut: Cut) -> (usize, usize) {
        let largest = cut.spans().map(|r| self.sum(r)).max().unwrap_or(0);
        (cut.spans().count().saturating_mul(self.boundary), largest)
    }

    fn whole(&self, cut: Cut) -> usize {
        self.sum(cut.again..self.layers.len())
    }

    fn sum(&self, range: std::ops::Range<usize>) -> usize {
        let part = self.layers.get(range).unwrap_or_default();
        part.iter().fold(0, |a, b| a.saturating_add(*b))
    }

    /// The span for `again` layers that takes the least memory; of equals the longest, which has
    /// the fewest boundaries.
    fn best(&self, again: usize) -> Cut {
        let cuts = (1..=again).rev().map(|span| Cut { again, span });
        cuts.min_by_key(|cut| {
            let (boundaries, largest) = self.again(*cut);
            boundaries.saturating_add(largest.max(self.whole(*cut)))
        })
        .unwrap_or_default()
    }
}

/// The cuts for which `again` layers of all stacks together run again: the first ones.
pub fn first(stacks: &[Stack], again: usize) -> Vec<Cut> {
    let mut left = again;
    let mut cuts = Vec::with_capacity(stacks.len());
    for stack in stacks {
        let n = left.min(stack.layers.len());
        left -= n;
        cuts.push(stack.best(n));
    }
    cuts
}

/// The most bytes that the stacks hold at one time of a backward pass.
pub fn peak(stacks: &[Stack], cuts: &[Cut]) -> usize {
    let each = || stacks.iter().zip(cuts.iter().copied());
    let mut held = each().fold(0usize, |held, (s, c)| {
        held.saturating_add(s.whole(c)).saturating_add(s.again(c).0)
    });
    let mut peak = held;
    for (stack, cut) in each().rev() {
        held = held.saturating_sub(stack.whole(cut));
        let (boundaries, largest) = stack.again(cut);
        peak = peak.max(held.saturating_add(largest));
        held = held.saturating_sub(boundaries);
    }
    peak
}

/// The fewest layers to run again so that the stacks hold at most `room` bytes: their number and
/// the cuts, or the least memory there is.
pub fn fewest(stacks: &[Stack], room: usize) -> (usize, Vec<Cut>) {
    let all = layers(stacks);
    (0..=all)
        .map(|n| (n, first(stacks, n)))
        .find(|(_, cuts)| peak(stacks, cuts) <= room)
        .unwrap_or_else(|| (all, first(stacks, all)))
}

/// The layers of all stacks.
pub fn layers(stacks: &[Stack]) -> usize {
    stacks.iter().map(|s| s.layers.len()).sum()
}

/// The cuts with the fewest layers to run again for which `measure` returns at most `limit` bytes; `None` if not even
/// running all of them again is enough. `whole` is the measure without any.
///
/// `measure` is called few times: the differences between its results and [`peak`] tell where to search next.
pub fn search<E>(
    stacks: &[Stack],
    whole: usize,
    limit: usize,
    mut measure: impl FnMut(&[Cut]) -> Result<usize, E>,
) -> Result<Option<Vec<Cut>>, E> {
    // The measure is close to a linear function of the estimate, here through the last two points.
    let (mut before, mut last) = (None, (peak(stacks, &first(stacks, 0)), whole));
    let (mut low, mut high, mut enough) = (0, layers(stacks) + 1, None);
    while high - low > 1 {
        let guess = fewest(stacks, room(before, last, limit)).0;
        if guess >= high && enough.is_some() {
            break;
        }
        let guess = guess.clamp(low + 1, high - 1);
        let cuts = first(stacks, guess);
        let point = (peak(stacks, &cuts), measure(&cuts)?);
        (before, last) = (Some(last), point);
        if point.1 <= limit {
            (high, enough) = (guess, Some(cuts));
        } else {
            low = guess;
        }
    }
    Ok(enough)
}

/// The estimate at which `limit` is measured, on the line through two points (estimated, measured).
fn room(before: Option<(usize, usize)>, last: (usize, usize), limit: usize) -> usize {
    let at = |n: usize| n as f64;
    let slope = before.map_or(1.0, |b| (at(last.1) - at(b.1)) / (at(last.0) - at(b.0)));
    // A line that falls or stands says nothing.
    let slope = if slope.is_finite() {
        slope.clamp(0.2, 5.0)
    } else {
        1.0
    };
    (at(last.0) + (at(limit) - at(last.1)) / slope).max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(n: usize) -> Stack {
        Stack {
            layers: vec![10; n],
            boundary: 1,
            nested: false,
        }
    }

    fn chosen(n: usize, room: usize) -> Cut {
        let (_, cuts) = fewest(&[stack(n)], room);
        cuts[0]
    }

    #[test]
    fn the_fewest_layers_run_again() {
        // All fits: no boundary.
        assert_eq!(chosen(32, 320), Cut::default());
        // The first 12 run again and keep one input each span of 12, no longer than the 20 whole.
        assert_eq!(
            chosen(32, 201),
            Cut {
                again: 12,
                span: 12
            }
        );
        assert_eq!(
            chosen(32, 200),
            Cut {
                again: 13,
                span: 13
            }
        );
        // Spans are no longer than the bytes that the whole layers free when they are done.
        assert_eq!(chosen(32, 83), Cut { again: 24, span: 8 });
        // Nothing fits: the least memory, which is not the most boundaries.
        assert_eq!(chosen(32, 5), Cut { again: 31, span: 1 }.max_again(32));
        assert_eq!(chosen(0, 0), Cut::default());
    }

    impl Cut {
        fn max_again(self, n: usize) -> Cut {
            let s = [stack(n)];
            let all = first(&s, n)[0];
            assert!(peak(&s, &[all]) <= peak(&s, &[self]) + 1);
            all
        }
    }

    #[test]
    fn no_other_cut_of_that_memory_runs_fewer_layers_again() {
        // Every choice of boundaries of a small stack, by brute force.
        let s = [stack(7)];
        for room in 0..80 {
            let (again, cuts) = fewest(&s, room);
            if peak(&s, &cuts) > room {
                continue;
            }
            for n in 0..again {
                for span in 1..=n.max(1) {
                    assert!(
                        peak(&s, &[Cut { again: n, span }]) > room,
                        "{room}: {n} {span}"
                    );
                }
            }
        }
    }

    #[test]
    fn several_stacks_are_cut_from_the_first() {
        let s = [stack(4), stack(4)];
        let (again, cuts) = fewest(&s, 60);
        assert_eq!(again, 3);
        assert_eq!(cuts[1], Cut::default());
        assert!(peak(&s, &cuts) <= 60);
    }

    #[test]
    fn a_search_corrects_what_the_estimate_leaves_out() {
        let s = [stack(32)];
        // Really there is something beside the stacks, and layers keep half as much again.
        let real = |cuts: &[Cut]| 70 + peak(&s, cuts) * 3 / 2;
        let mut asked = 0;
        let found = search(&s, real(&first(&s, 0)), 300, |cuts| {
            asked += 1;
            Ok::<_, ()>(real(cuts))
        });
        let cuts = found.unwrap().unwrap();
        assert!(real(&cuts) <= 300);
        assert!(real(&first(&s, cuts[0].again - 1)) > 300, "{cuts:?}");
        assert!(asked <= 5, "asked {asked} times");
        let never = search(&s, 600, 80, |cuts| Ok::<_, ()>(real(cuts)));
        assert_eq!(never.unwrap(), None);
    }
}
