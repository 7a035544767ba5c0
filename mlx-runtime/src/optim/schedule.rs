//! Learning rates by step, computed on the host. Names and values are as in MLX's `optimizers` (`linear_schedule`,
//! `cosine_decay`, `exponential_decay`, `step_decay`, `join_schedules`).
//!
//! Tests: unit tests below.

use std::f64::consts::PI;

use crate::{Error, Result};

/// A learning rate for each step, counted from 0.
///
/// ```
/// use mlx_runtime::optim::schedule::Schedule;
/// let s = Schedule::warmup_cosine(1e-4, 10, 100, 1e-5)?;
/// assert_eq!(s.at(0), 0.0);
/// assert_eq!(s.at(10), 1e-4);
/// assert_eq!(s.at(1_000), 1e-5);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Constant(f64),
    Linear {
        init: f64,
        end: f64,
        steps: u64,
    },
    Cosine {
        init: f64,
        steps: u64,
        end: f64,
    },
    Exponential {
        init: f64,
        rate: f64,
    },
    Step {
        init: f64,
        rate: f64,
        size: u64,
    },
    /// Each part begins at its number and counts from 0 there.
    Join(Vec<(u64, Schedule)>),
}

fn positive(op: &'static str, steps: u64) -> Result<()> {
    if steps == 0 {
        return Err(Error::invalid(op, "expected 1 step or more, found 0"));
    }
    Ok(())
}

impl Schedule {
    /// The same for every step.
    pub fn constant(learning_rate: f64) -> Self {
        Self(Kind::Constant(learning_rate))
    }

    /// From `init` to `end` in equal parts over `steps`, then `end`. MLX: `linear_schedule`.
    ///
    /// # Errors
    /// If `steps` is 0.
    pub fn linear(init: f64, end: f64, steps: u64) -> Result<Self> {
        positive("linear_schedule", steps)?;
        Ok(Self(Kind::Linear { init, end, steps }))
    }

    /// Half a cosine from `init` to `end` over `decay_steps`, then `end`. MLX: `cosine_decay`.
    ///
    /// # Errors
    /// If `decay_steps` is 0.
    pub fn cosine(init: f64, decay_steps: u64, end: f64) -> Result<Self> {
        positive("cosine_decay", decay_steps)?;
        Ok(Self(Kind::Cosine {
            init,
            steps: decay_steps,
            end,
        }))
    }

    /// `init * rate^step`. MLX: `exponential_decay`.
    pub fn exponential(init: f64, rate: f64) -> Self {
        Self(Kind::Exponential { init, rate })
    }

    /// `init * rate^(step / size)`, rounded down. MLX: `step_decay`.
    ///
    /// # Errors
    /// If `size` is 0.
    pub fn step(init: f64, rate: f64, size: u64) -> Result<Self> {
        positive("step_decay", size)?;
        Ok(Self(Kind::Step { init, rate, size }))
    }

    /// One schedule after the other: `schedules[i + 1]` begins at `boundaries[i]` and counts from
    /// 0 there. MLX: `join_schedules`.
    ///
    /// # Errors
    /// If there is not exactly one boundary less than schedules, or they do not ascend.
    pub fn join(schedules: Vec<Schedule>, boundaries: &[u64]) -> Result<Self> {
        if schedules.len() != boundaries.len() + 1 {
            return Err(Error::invalid(
                "join_schedules",
                format!(
                    "expected one boundary between each two schedules, found {} schedules and {} boundaries",
                    schedules.len(),
                    boundaries.len()
                ),
            ));
        }
        if boundaries.windows(2).any(|w| w[0] >= w[1]) {
            return Err(Error::invalid(
                "join_schedules",
                format!("expected ascending boundaries, found {boundaries:?}"),
            ));
        }
        let starts = std::iter::once(0).chain(boundaries.iter().copied());
        Ok(Self(Kind::Join(starts.zip(schedules).collect())))
    }

    /// Linear from 0 over `warmup` steps to `learning_rate`, then constant.
    pub fn warmup(learning_rate: f64, warmup: u64) -> Self {
        Self::after_warmup(learning_rate, warmup, Self::constant(learning_rate))
    }

    /// Linear from 0 over `warmup` steps to `learning_rate`, then a cosine down to `end` at step
    /// `total`.
    ///
    /// # Errors
    /// If `total` is not beyond `warmup`.
    pub fn warmup_cosine(learning_rate: f64, warmup: u64, total: u64, end: f64) -> Result<Self> {
        let decay = total
            .checked_sub(warmup)
            .filter(|&n| n > 0)
            .ok_or_else(|| {
                Error::invalid(
                    "warmup_cosine",
                    format!("expected fewer steps of warm-up than the {total} of training, found {warmup}"),
                )
            })?;
        let cosine = Self::cosine(learning_rate, decay, end)?;
        Ok(Self::after_warmup(learning_rate, warmup, cosine))
    }

    fn after_warmup(learning_rate: f64, warmup: u64, then: Self) -> Self {
        if warmup == 0 {
            return then;
        }
        let linear = Self(Kind::Linear {
            init: 0.0,
            end: learning_rate,
            steps: warmup,
        });
        Self(Kind::Join(vec![(0, linear), (warmup, then)]))
    }

    /// The learning rate of a step, the first being 0.
    pub fn at(&self, step: u64) -> f64 {
        match &self.0 {
            Kind::Constant(lr) => *lr,
            Kind::Linear { init, end, steps } => {
                if step >= *steps {
                    return *end;
                }
                step as f64 * ((end - init) / *steps as f64) + init
            }
            Kind::Cosine { init, steps, end } => {
                let s = step.min(*steps) as f64;
                let decay = 0.5 * (1.0 + (PI / *steps as f64 * s).cos());
                end + decay * (init - end)
            }
            Kind::Exponential { init, rate } => init * rate.powf(step as f64),
            Kind::Step { init, rate, size } => init * rate.powf((step / size) as f64),
            Kind::Join(parts) => parts
                .iter()
                .rev()
                .find(|(start, _)| step >= *start)
                .map_or(0.0, |(start, s)| s.at(step - start)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_errors() {
        assert!(Schedule::linear(0.0, 1.0, 0).is_err());
        assert!(Schedule::cosine(0.0, 0, 0.0).is_err());
        assert!(Schedule::step(0.0, 1.0, 0).is_err());
        assert!(Schedule::warmup_cosine(1.0, 10, 10, 0.0).is_err());
        let c = Schedule::constant(1.0);
        assert!(Schedule::join(vec![c.clone()], &[3]).is_err());
        assert!(Schedule::join(vec![c.clone(), c.clone(), c], &[3, 3]).is_err());
        assert!(Schedule::join(vec![], &[]).is_err());
    }

    #[test]
    fn parts_count_from_their_start() {
        let s = Schedule::warmup(1.0, 4);
        let got: Vec<f64> = (0..6).map(|i| s.at(i)).collect();
        assert_eq!(got, [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]);
        assert_eq!(Schedule::warmup(1.0, 0).at(0), 1.0);
        assert_eq!(s.at(u64::MAX), 1.0);
    }
}
