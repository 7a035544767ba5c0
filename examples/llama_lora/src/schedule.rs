//! Learning rates that change with the step: mlx-lm's `lr_schedule`.
//!
//! Tests: unit tests below.

use anyhow::{ensure, Result};
use serde::{Deserialize, Serialize};

/// A schedule of mlx, by its name and positional arguments, after an optional linear warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The kind.
    pub name: Kind,
    /// `[init, ...]`, as mlx's function of that name takes them.
    pub arguments: Vec<f64>,
    /// Steps of warm-up.
    #[serde(default)]
    pub warmup: u64,
    /// Learning rate at the start of the warm-up.
    #[serde(default)]
    pub warmup_init: f64,
}

/// The kind of schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `init, decay_steps, end = 0`
    CosineDecay,
    /// `init, decay_rate`
    ExponentialDecay,
    /// `init, end, steps`
    LinearSchedule,
    /// `init, decay_rate, step_size`
    StepDecay,
    /// `rate`: the same at every step; for a warm-up alone.
    Constant,
    /// `peak, stable_steps, decay_steps, end = 0`: stays at the peak, then falls in equal parts (Hu et al. 2024).
    Wsd,
}

/// The kind of an argument of a schedule.
enum Argument {
    Rate,
    Factor,
    Steps,
}

/// The most steps of a part of a schedule.
const MOST_STEPS: f64 = 1e12;

impl Kind {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::CosineDecay => "cosine_decay",
            Kind::ExponentialDecay => "exponential_decay",
            Kind::LinearSchedule => "linear_schedule",
            Kind::StepDecay => "step_decay",
            Kind::Constant => "constant",
            Kind::Wsd => "wsd",
        }
    }
}

impl Schedule {
    /// Returns an error if the arguments are wrong.
    pub fn check(&self) -> Result<()> {
        use Argument::{Factor, Rate, Steps};
        let (kinds, needed): (&[Argument], usize) = match self.name {
            Kind::CosineDecay => (&[Rate, Steps, Rate], 2),
            Kind::ExponentialDecay => (&[Rate, Factor], 2),
            Kind::LinearSchedule => (&[Rate, Rate, Steps], 3),
            Kind::StepDecay => (&[Rate, Factor, Steps], 3),
            Kind::Constant => (&[Rate], 1),
            Kind::Wsd => (&[Rate, Steps, Steps, Rate], 3),
        };
        let (n, name) = (self.arguments.len(), self.name.name());
        ensure!(
            (needed..=kinds.len()).contains(&n),
            "lr_schedule {name} takes {needed} to {} arguments, found {n}",
            kinds.len()
        );
        for (i, (kind, x)) in kinds.iter().zip(&self.arguments).enumerate() {
            let (holds, expected) = match kind {
                Rate => (
                    0.0 <= *x && (*x as f32).is_finite(),
                    "a learning rate of at least 0",
                ),
                Factor => (0.0 < *x && (*x as f32).is_finite(), "a factor above 0"),
                Steps => (
                    1.0 <= *x && *x <= MOST_STEPS && x.fract() == 0.0,
                    "a whole number of steps, from 1 to 1000000000000",
                ),
            };
            ensure!(
                holds,
                "argument {} of lr_schedule {name} is {x}, expected {expected}",
                i + 1
            );
        }
        ensure!(
            self.warmup as f64 <= MOST_STEPS,
            "warmup of lr_schedule is {}, expected a whole number of steps, from 0 to 1000000000000",
            self.warmup
        );
        ensure!(
            self.warmup_init >= 0.0 && (self.warmup_init as f32).is_finite(),
            "warmup_init of lr_schedule is {}, expected a learning rate of at least 0",
            self.warmup_init
        );
        Ok(())
    }

    /// The schedule as a function of the step.
    pub fn build(&self) -> Result<mlx_runtime::optim::schedule::Schedule> {
        use mlx_runtime::optim::schedule::Schedule as Function;
        self.check()?;
        let argument = |i: usize| self.arguments.get(i).copied().unwrap_or(0.0);
        let (init, a, b) = (argument(0), argument(1), argument(2));
        let function = match self.name {
            Kind::CosineDecay => Function::cosine(init, a as u64, b)?,
            Kind::ExponentialDecay => Function::exponential(init, a),
            Kind::LinearSchedule => Function::linear(init, a, b as u64)?,
            Kind::StepDecay => Function::step(init, a, b as u64)?,
            Kind::Constant => Function::constant(init),
            Kind::Wsd => {
                let falls = Function::linear(init, argument(3), b as u64)?;
                Function::join(vec![Function::constant(init), falls], &[a as u64])?
            }
        };
        if self.warmup == 0 {
            return Ok(function);
        }
        // mlx-lm joins the two parts one step after the end of the warm-up.
        let warmup = Function::linear(self.warmup_init, init, self.warmup)?;
        Ok(Function::join(
            vec![warmup, function],
            &[self.warmup.saturating_add(1)],
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: Kind, arguments: &[f64], warmup: u64) -> Schedule {
        Schedule {
            name,
            arguments: arguments.to_vec(),
            warmup,
            warmup_init: 0.0,
        }
    }

    #[test]
    fn values_are_mlxs() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-7, "{a} {b}");
        let schedule =
            |kind, arguments: &[f64], warmup| schedule(kind, arguments, warmup).build().unwrap();
        let cosine = schedule(Kind::CosineDecay, &[0.1, 1000.0], 0);
        close(cosine.at(5), 0.099_993_8);
        close(cosine.at(5000), 0.0);
        let linear = schedule(Kind::LinearSchedule, &[0.0, 0.1, 100.0], 0);
        close(linear.at(100), 0.1);
        close(linear.at(101), 0.1);
        close(
            schedule(Kind::ExponentialDecay, &[0.1, 0.9], 0).at(4),
            0.065_61,
        );
        close(
            schedule(Kind::StepDecay, &[0.1, 0.9, 10.0], 0).at(20),
            0.081,
        );
        // Stable for 10 steps after 5 of warm-up, then down to 0.02 in 4.
        let wsd = schedule(Kind::Wsd, &[0.1, 10.0, 4.0, 0.02], 5);
        for (step, rate) in [
            (0, 0.0),
            (1, 0.02),
            (5, 0.1),
            (15, 0.1),
            (16, 0.1),
            (18, 0.06),
            (20, 0.02),
            (99, 0.02),
        ] {
            close(wsd.at(step), rate);
        }
        close(schedule(Kind::Constant, &[0.1], 0).at(7), 0.1);
        let warm = schedule(Kind::CosineDecay, &[0.1, 1000.0], 10);
        close(warm.at(0), 0.0);
        close(warm.at(10), 0.1);
        close(warm.at(11), 0.1);
        close(warm.at(16), 0.099_993_8);
    }

    #[test]
    fn bad_arguments_are_refused() {
        for (kind, arguments) in [
            (Kind::CosineDecay, vec![1e-5]),
            (Kind::CosineDecay, vec![1e-5, 0.0]),
            (Kind::LinearSchedule, vec![1e-5, 1.0]),
            (Kind::StepDecay, vec![1e-5, 0.5, f64::NAN]),
            (Kind::CosineDecay, vec![-1e-5, 10.0]),
            (Kind::CosineDecay, vec![1e39, 10.0]),
            (Kind::CosineDecay, vec![1e-5, 2.5]),
            (Kind::CosineDecay, vec![1e-5, 1e300]),
            (Kind::ExponentialDecay, vec![1e-5, 0.0]),
            (Kind::LinearSchedule, vec![f64::NAN, 1.0, 5.0]),
            (Kind::Wsd, vec![1e-5, 10.0]),
            (Kind::Wsd, vec![1e-5, 10.0, 0.0]),
            (Kind::Constant, vec![]),
        ] {
            assert!(
                schedule(kind, &arguments, 0).check().is_err(),
                "{arguments:?}"
            );
        }
        let warm = |warmup, warmup_init| Schedule {
            warmup_init,
            ..schedule(Kind::CosineDecay, &[1e-5, 10.0], warmup)
        };
        for (warmup, init) in [(u64::MAX, 0.0), (1, -1.0), (1, f64::NAN)] {
            let error = warm(warmup, init).build().unwrap_err().to_string();
            assert!(error.contains("warmup"), "{error}");
        }
    }
}
