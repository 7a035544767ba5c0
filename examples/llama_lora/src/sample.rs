//! Chooses the next token.
//!
//! Tests: unit tests below.

/// Sampling options for the next token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token; otherwise logits are divided by it.
    pub temperature: f32,
    /// Sum of probabilities: choose among the likeliest tokens that reach it.
    pub top_p: f32,
}

impl Sampling {
    /// Always the likeliest token.
    pub const GREEDY: Sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
    };

    /// The token for the logits of one position; `uniform` is a random number in `[0, 1)`.
    /// `None` if a logit is NaN, or the largest is infinite.
    pub fn choose(self, logits: &[f32], uniform: f64) -> Option<u32> {
        if logits.iter().any(|l| l.is_nan()) {
            return None;
        }
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        // Equal logits: the lower id first, as an argmax would have it.
        let by_logit = |a: &u32, b: &u32| {
            logits[*b as usize]
                .total_cmp(&logits[*a as usize])
                .then(a.cmp(b))
        };
        let best = *order.iter().min_by(|a, b| by_logit(a, b))?;
        if !logits[best as usize].is_finite() {
            return None;
        }
        if self.temperature == 0.0 {
            return Some(best);
        }
        let top = f64::from(logits[best as usize]);
        let weight =
            |i: u32| ((f64::from(logits[i as usize]) - top) / f64::from(self.temperature)).exp();
        let total: f64 = order.iter().map(|&i| weight(i)).sum();
        if self.top_p < 1.0 {
            order.sort_unstable_by(by_logit);
            let mut sum = 0.0;
            let kept = order.iter().position(|&i| {
                sum += weight(i);
                sum >= f64::from(self.top_p) * total
            });
            order.truncate(kept.map_or(order.len(), |k| k + 1));
        }
        let kept: f64 = order.iter().map(|&i| weight(i)).sum();
        let mut left = uniform * kept;
        for &i in &order {
            left -= weight(i);
            if left < 0.0 {
                return Some(i);
            }
        }
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        let choose = |logits: &[f32]| Sampling::GREEDY.choose(logits, 0.9);
        assert_eq!(choose(&[1.0, 3.0, 3.0, f32::NEG_INFINITY]), Some(1));
        assert_eq!(choose(&[1.0, f32::NAN]), None);
        assert_eq!(choose(&[1.0, f32::INFINITY]), None);
        assert_eq!(choose(&[f32::NEG_INFINITY]), None);
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn draws_follow_the_softmax() {
        let sampling = Sampling {
            temperature: 2.0,
            top_p: 1.0,
        };
        // exp(l / 2) = 1, 2, 5
        let logits = [0.0, 2.0 * 2f32.ln(), 2.0 * 5f32.ln()];
        let n = 8000;
        let mut counts = [0; 3];
        for i in 0..n {
            counts[sampling
                .choose(&logits, (i as f64 + 0.5) / n as f64)
                .unwrap() as usize] += 1;
        }
        assert_eq!(counts, [1000, 2000, 5000]);
    }

    #[test]
    fn top_p_leaves_out_the_unlikely() {
        let sampling = Sampling {
            temperature: 1.0,
            top_p: 0.8,
        };
        let logits = [0.0, 2f32.ln(), 5f32.ln()];
        let drawn: std::collections::BTreeSet<_> = (0..1000)
            .filter_map(|i| sampling.choose(&logits, i as f64 / 1000.0))
            .collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
