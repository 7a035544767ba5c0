//! Means over targets.
//!
//! Tests: unit tests below.

/// The sum of the losses of targets, and the number of targets. Batches without a target do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    sum: f64,
    targets: u64,
}

impl Mean {
    /// Adds `targets` targets with the mean loss `mean`. Without targets nothing is added, not even NaN.
    pub fn add(&mut self, mean: f64, targets: usize) {
        if targets > 0 {
            self.sum += mean * targets as f64;
            self.targets += targets as u64;
        }
    }

    /// Adds one target.
    pub fn push(&mut self, loss: f64) {
        self.add(loss, 1);
    }

    /// The sum's bits and the number of targets, so that another process gets the same sum.
    pub fn to_bits(self) -> (u64, u64) {
        (self.sum.to_bits(), self.targets)
    }

    /// From [`Mean::to_bits`].
    pub fn from_bits((sum, targets): (u64, u64)) -> Mean {
        let sum = f64::from_bits(sum);
        Mean { sum, targets }
    }

    /// The number of targets.
    pub fn targets(&self) -> u64 {
        self.targets
    }

    /// The sum by the number; `None` without targets.
    pub fn value(&self) -> Option<f64> {
        (self.targets > 0).then(|| self.sum / self.targets as f64)
    }
}

impl std::iter::Sum for Mean {
    fn sum<I: Iterator<Item = Mean>>(all: I) -> Mean {
        all.fold(Mean::default(), |a, b| Mean {
            sum: a.sum + b.sum,
            targets: a.targets + b.targets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_counts_alike_and_nothing_counts_for_nothing() {
        let mut mean = Mean::default();
        mean.add(f64::NAN, 0);
        assert_eq!(mean.value(), None);
        mean.add(2.0, 3);
        mean.push(10.0);
        mean.add(0.0, 0);
        assert_eq!((mean.value(), mean.targets()), (Some(4.0), 4));
        let again = Mean::from_bits(mean.to_bits());
        assert_eq!(
            [again, Mean::default(), mean]
                .into_iter()
                .sum::<Mean>()
                .value(),
            Some(4.0)
        );
    }
}
