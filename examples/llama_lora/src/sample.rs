//! Chooses the next token.
//!
//! Tests: unit tests below.

/// Sampling options for the next token, with mlx-lm's meaning: the filters look at the probabilities without
/// temperature, one after the other, and the draw among what is left uses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token; otherwise logits are divided by it.
    pub temperature: f32,
    /// Sum of probabilities: choose among the likeliest tokens that reach it.
    pub top_p: f32,
    /// Least probability, as a share of the likeliest token's.
    pub min_p: f32,
    /// Tokens that `min_p` keeps in any case.
    pub min_tokens_to_keep: usize,
    /// Choose among this many tokens at most; 0 for all.
    pub top_k: usize,
    /// Logits of tokens that were there lately are divided by it, or multiplied if they are negative; 1 changes nothing.
    pub repetition_penalty: f32,
    /// The number of last tokens that the penalty looks at.
    pub repetition_context_size: usize,
}

impl Sampling {
    /// Always the likeliest token.
    pub const GREEDY: Sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        min_p: 0.0,
        min_tokens_to_keep: 1,
        top_k: 0,
        repetition_penalty: 1.0,
        repetition_context_size: 20,
    };

    /// True if the likeliest token is taken as it comes from the model.
    pub fn is_plain(&self) -> bool {
        self.temperature == 0.0 && self.repetition_penalty == 1.0
    }

    /// Lowers the logits of the tokens that end `before` (Keskar et al. 2019).
    pub fn penalise(&self, logits: &mut [f32], before: &[u32]) {
        if self.repetition_penalty == 1.0 {
            return;
        }
        let from = before.len().saturating_sub(self.repetition_context_size);
        let mut tokens = before[from..].to_vec();
        tokens.sort_unstable();
        tokens.dedup();
        for token in tokens {
            if let Some(logit) = logits.get_mut(token as usize) {
                match *logit < 0.0 {
                    true => *logit *= self.repetition_penalty,
                    false => *logit /= self.repetition_penalty,
                }
            }
        }
    }

    /// The token for the logits of one position; `uniform` is a random number in `[0, 1)`.
    /// `None` if a logit is NaN, or the largest is infinite.
    pub fn choose(&self, logits: &[f32], uniform: f64) -> Option<u32> {
        if logits.iter().any(|l| l.is_nan()) {
            return None;
        }
        // Equal logits: the lower id first, as an argmax would have it.
        let by_logit = |a: &u32, b: &u32| {
            logits[*b as usize]
                .total_cmp(&logits[*a as usize])
                .then(a.cmp(b))
        };
        let best = (0..logits.len() as u32).min_by(|a, b| by_logit(a, b))?;
        let top = f64::from(logits[best as usize]);
        if !top.is_finite() {
            return None;
        }
        if self.temperature == 0.0 {
            return Some(best);
        }
        let kept = self.kept(logits, top, by_logit);
        let temperature = f64::from(self.temperature);
        let weight = |i: u32| ((f64::from(logits[i as usize]) - top) / temperature).exp();
        let mut left = uniform * kept.iter().map(|&i| weight(i)).sum::<f64>();
        for &i in &kept {
            left -= weight(i);
            if left < 0.0 {
                return Some(i);
            }
        }
        Some(best)
    }

    /// The tokens that the filters leave.
    fn kept(
        &self,
        logits: &[f32],
        top: f64,
        by_logit: impl Fn(&u32, &u32) -> std::cmp::Ordering,
    ) -> Vec<u32> {
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        let share = |i: u32| (f64::from(logits[i as usize]) - top).exp();
        if self.top_p >= 1.0 && self.min_p == 0.0 && self.top_k == 0 {
            return order;
        }
        order.sort_unstable_by(by_logit);
        let mut most = order.len();
        if self.top_p < 1.0 {
            let total: f64 = order.iter().map(|&i| share(i)).sum();
            let mut sum = 0.0;
            let last = order.iter().position(|&i| {
                sum += share(i);
                sum >= f64::from(self.top_p) * total
            });
            let least = last.map(|at| logits[order[at] as usize]);
            // Equals of the last one are as likely.
            most = order
                .iter()
                .take_while(|i| Some(logits[**i as usize]) >= least)
                .count();
        }
        if self.min_p > 0.0 {
            let likely = order
                .iter()
                .take_while(|&&i| share(i) >= f64::from(self.min_p))
                .count();
            most = most.min(likely.max(self.min_tokens_to_keep));
        }
        if self.top_k > 0 {
            most = most.min(self.top_k);
        }
        order.truncate(most);
        order
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
            ..Sampling::GREEDY
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
            ..Sampling::GREEDY
        };
        let logits = [0.0, 2f32.ln(), 5f32.ln()];
        let drawn: std::collections::BTreeSet<_> = (0..1000)
            .filter_map(|i| sampling.choose(&logits, i as f64 / 1000.0))
            .collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    /// mlx-lm's filters and penalty on the same logits; `tests/sampling/dump.py` dumped them.
    #[test]
    fn filters_and_penalty_are_mlx_lms() {
        let dump: serde_json::Value =
            serde_json::from_str(include_str!("../tests/sampling/dump.json")).unwrap();
        for case in dump.as_array().unwrap() {
            let floats = |key: &str| -> Vec<f32> {
                let list = case[key].as_array().unwrap();
                list.iter().map(|x| x.as_f64().unwrap() as f32).collect()
            };
            let ids = |key: &str| -> Vec<u32> {
                let list = case[key].as_array().unwrap();
                list.iter().map(|x| x.as_u64().unwrap() as u32).collect()
            };
            let number = |key: &str| case[key].as_f64().unwrap();
            let sampling = Sampling {
                temperature: 0.7,
                top_p: number("top_p") as f32,
                min_p: number("min_p") as f32,
                min_tokens_to_keep: number("min_tokens_to_keep") as usize,
                top_k: number("top_k") as usize,
                repetition_penalty: number("penalty") as f32,
                repetition_context_size: 4,
            };
            let mut logits = floats("logits");
            sampling.penalise(&mut logits, &ids("before"));
            for (found, wanted) in logits.iter().zip(floats("penalised")) {
                assert!((found - wanted).abs() < 1e-6, "{case}");
            }
            let n = 4000;
            let mut counts = vec![0.0; logits.len()];
            for i in 0..n {
                let uniform = (f64::from(i) + 0.5) / f64::from(n);
                counts[sampling.choose(&logits, uniform).unwrap() as usize] += 1.0 / f64::from(n);
            }
            for (found, wanted) in counts.iter().zip(floats("probabilities")) {
                assert!(
                    (found - f64::from(wanted)).abs() < 1e-3,
                    "{case}: {counts:?}"
                );
            }
        }
    }
}
