//! Learning rates that change with the step: mlx-lm's `lr_schedule`.

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

/// Which schedule.
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
}

impl Schedule {
    /// Says what is wrong with the arguments, if anything.
    pub fn check(&self) -> Result<()> {
        let (least, most, steps) = match self.name {
            Kind::CosineDecay => (2, 3, Some(1)),
            Kind::ExponentialDecay => (2, 2, None),
            Kind::LinearSchedule => (3, 3, Some(2)),
            Kind::StepDecay => (3, 3, Some(2)),
        };
        let n = self.arguments.len();
        ensure!(
            (least..=most).contains(&n),
            "lr_schedule {:?} takes {least} to {most} arguments, not {n}",
            self.name
        );
        ensure!(
            self.arguments.iter().all(|a| a.is_finite()),
            "lr_schedule has an argument that is no finite number"
        );
        if let Some(i) = steps {
            ensure!(
                self.arguments[i] >= 1.0,
                "lr_schedule {:?} needs a number of steps of at least 1, not {}",
                self.name,
                self.arguments[i]
            );
        }
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
        ] {
            assert!(schedule(kind, &arguments, 0).check().is_err());
        }
    }
}
