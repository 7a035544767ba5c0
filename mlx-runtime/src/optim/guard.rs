//! Skips steps with a loss or gradient that is not finite.
//!
//! Tests: unit tests below.

use super::OptimState;
use crate::ops;
use crate::{Array, Dtype, Error, ErrorKind, Result};

/// Steps that were left out because their loss or gradient was NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// The number of all skipped steps.
    pub total: u32,
    /// The number of skipped steps in a row, up to the last step.
    pub in_a_row: u32,
}

impl Skipped {
    /// From the counters, which are evaluated if they are not yet.
    ///
    /// # Errors
    /// If they are not two uint32.
    pub fn read(counters: &Array) -> Result<Self> {
        match counters.to_vec::<u32>()?[..] {
            [total, in_a_row] => Ok(Skipped { total, in_a_row }),
            _ => Err(Error::invalid(
                "Skipped::read",
                format!("expected two counters, found {counters:?}"),
            )),
        }
    }

    /// The counters before the first step: `[total, in a row]`, uint32.
    ///
    /// # Errors
    /// Returns the error that MLX reports.
    pub fn none() -> Result<Array> {
        Array::from_slice(&[0u32, 0], &[2])
    }

    /// Returns an error if more than `limit` steps in a row were left out.
    ///
    /// # Errors
    /// The error has kind [`ErrorKind::NotFinite`].
    pub fn check(&self, limit: u32) -> Result<()> {
        if self.in_a_row <= limit {
            return Ok(());
        }
        let plural = if self.in_a_row == 1 { "" } else { "s" };
        let text = format!(
            "the loss or its gradient was NaN or infinite in {} step{plural} in a row ({} in all), of which {limit} are allowed: \
             training stops with the parameters of the last good step",
            self.in_a_row, self.total
        );
        Err(Error::new(ErrorKind::NotFinite, text)
            .with_hint("try a smaller learning rate, clipping (`max_grad_norm`) or float32, and look at the data"))
    }
}

/// Tests that the loss and [`super::grad_norm`] of its gradients are finite: a scalar of bool. A gradient of more than
/// about 1e19 has a norm that float32 cannot hold, and counts as infinite.
///
/// # Errors
/// If the loss has more than one element.
pub fn all_finite(loss: &Array, norm: &Array) -> Result<Array> {
    let loss = ops::astype(&ops::reshape(loss, &[])?, Dtype::Float32)?;
    // NaN and infinity stay no numbers, whatever is added.
    ops::isfinite(&ops::add(&loss, norm)?)
}

/// The result of a guarded step.
#[derive(Debug)]
pub struct Guarded {
    /// The parameters' buffers.
    pub buffers: Vec<Array>,
    /// The optimiser's state.
    pub state: OptimState,
    /// The counters that [`Skipped::read`] reads.
    pub counters: Array,
}

/// The new parameters and state if `ok`, and otherwise the old ones, bit for bit. The counters are updated. All of it
/// is a graph: nothing is evaluated to decide.
///
/// # Errors
/// Returns the error that MLX reports.
pub fn guard(
    ok: &Array,
    (old, old_state): (&[Array], &OptimState),
    (new, new_state): (&[Array], &OptimState),
    counters: &Array,
) -> Result<Guarded> {
    let choose = |new: &[Array], old: &[Array]| {
        new.iter()
            .zip(old)
            .map(|(new, old)| ops::where_(ok, new, old))
            .collect::<Result<Vec<_>>>()
    };
    let bad = ops::astype(&ops::logical_not(ok)?, Dtype::Uint32)?;
    // One more in both, or none more in all and none in a row.
    let kept = ops::where_(
        ok,
        &Array::from_slice(&[1u32, 0], &[2])?,
        &Array::from_slice(&[1u32, 1], &[2])?,
    )?;
    Ok(Guarded {
        buffers: choose(new, old)?,
        state: old_state.with_arrays(choose(new_state.arrays(), old_state.arrays())?)?,
        counters: ops::multiply(&ops::add(counters, &bad)?, &kept)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_steps_change_nothing_and_are_counted() {
        let array = |x: f32| Array::from_slice(&[x, 1.0], &[2]).unwrap();
        let state = |x: f32| OptimState::new(vec![("m.0".into(), array(x))]);
        let norm = |x: f32| crate::optim::grad_norm(&[array(x)]).unwrap();
        let mut counters = Skipped::none().unwrap();
        let good = [f32::NAN, f32::INFINITY, 2.0, f32::NEG_INFINITY];
        for (x, expected) in good.into_iter().zip([(1, 1), (2, 2), (2, 0), (3, 1)]) {
            let one = Array::scalar(1f32).unwrap();
            // From the gradient and from the loss.
            let by_grad = all_finite(&one, &norm(x)).unwrap();
            let ok = all_finite(&Array::scalar(x).unwrap(), &norm(1.0)).unwrap();
            assert_eq!(by_grad.item::<bool>().unwrap(), x.is_finite());
            let (old, new) = ([array(5.0)], [array(x)]);
            let next = guard(&ok, (&old, &state(5.0)), (&new, &state(x)), &counters).unwrap();
            let kept = if x.is_finite() { x } else { 5.0 };
            assert_eq!(next.buffers[0].to_vec::<f32>().unwrap(), [kept, 1.0]);
            let m = next.state.get("m.0").unwrap();
            assert_eq!(m.to_vec::<f32>().unwrap(), [kept, 1.0]);
            counters = next.counters;
            let skipped = Skipped::read(&counters).unwrap();
            assert_eq!((skipped.total, skipped.in_a_row), expected);
        }
    }

    #[test]
    fn the_limit_is_of_steps_in_a_row() {
        let skipped = Skipped {
            total: 9,
            in_a_row: 3,
        };
        skipped.check(3).unwrap();
        let error = skipped.check(2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFinite);
        assert!(error.to_string().contains("3 steps in a row"), "{error}");
    }
}
