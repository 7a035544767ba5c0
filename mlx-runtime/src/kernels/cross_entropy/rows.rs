//! Losses of rows of logits with their gradients, in one pass over the logits.
//!
//! Tests: unit tests below.

use mlx_macros::mlx_kernel;

use crate::{ops, Array, Dtype, Result};

#[mlx_kernel]
fn loss_rows(
    #[frozen] z: Tensor![N, V],
    targets: Tensor![N, 1; i32],
    classes: f32,
) -> (Tensor![N, 1; f32], Tensor![N, V]) {
    let own = take_along_axis(z, targets, -1);
    let total = logsumexp(z, -1, keepdims);
    // e^(z - total) - 1 at the target, exact where it is near 0.
    let slope = where_(
        equal(arange(V), targets),
        expm1(own - total),
        exp(z - total),
    );
    let valid = logical_and(
        greater_equal(targets, 0),
        less(astype(targets, f32), classes),
    );
    let none = own / zeros_like(own) * 0.0;
    (astype(where_(valid, total - own, none), f32), slope)
}

#[mlx_kernel]
fn capped_loss_rows(
    #[frozen] z: Tensor![N, V],
    targets: Tensor![N, 1; i32],
    classes: f32,
    cap: f32,
) -> (Tensor![N, 1; f32], Tensor![N, V]) {
    let t = tanh(z / cap);
    let capped = t * cap;
    let own = take_along_axis(capped, targets, -1);
    let total = logsumexp(capped, -1, keepdims);
    let slope = where_(
        equal(arange(V), targets),
        expm1(own - total),
        exp(capped - total),
    );
    let valid = logical_and(
        greater_equal(targets, 0),
        less(astype(targets, f32), classes),
    );
    let none = own / zeros_like(own) * 0.0;
    (
        astype(where_(valid, total - own, none), f32),
        slope * (1.0 - square(t)),
    )
}

/// Logits `z [n, V]` and whole numbers `targets [n]` -> `logsumexp(z) - z[target]` as float32 `[n]`, and its gradient with
/// respect to `z`, `[n, V]`, of `cap * tanh(z / cap)` where there is a cap. A target outside `0..V` makes its row's loss NaN.
/// The results have no gradient themselves.
pub(super) fn losses_and_slope(
    z: &Array,
    targets: &Array,
    cap: Option<f32>,
) -> Result<(Array, Array)> {
    let targets = ops::astype(&ops::expand_dims(targets, &[-1])?, Dtype::Int32)?;
    // Exact: there are fewer than 2^24.
    let classes = z.dim(-1)? as f32;
    let (losses, slope) = match cap {
        None => loss_rows(z, &targets, classes)?,
        Some(cap) => capped_loss_rows(z, &targets, classes, cap)?,
    };
    Ok((ops::squeeze(&losses, &[-1])?, slope))
}

#[cfg(test)]
mod tests {
    use super::super::{capped, losses, slope};
    use super::*;
    use crate::device::{set_default_device, Device};
    use crate::random;

    #[test]
    fn losses_and_slopes_are_those_of_mlx() -> Result<()> {
        set_default_device(Device::cpu())?;
        for v in [3, 50, 5001] {
            let z = random::normal(&[6, v], Dtype::Float32, 0.0, 4.0, None)?;
            let targets = Array::from_slice(&[0i32, 1, 2, v - 1, 1, 0], &[6])?;
            for cap in [None, Some(5.0)] {
                let (found, found_slope) = losses_and_slope(&z, &targets, cap)?;
                let z = capped(&z, cap)?;
                let wanted = losses(&z, &targets)?;
                let wanted_slope = slope(&z, &targets, &wanted, cap)?;
                for (a, b) in [(found, wanted), (found_slope, wanted_slope)] {
                    let (a, b) = (a.to_vec::<f32>()?, b.to_vec::<f32>()?);
                    let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
                    assert!(apart.fold(0.0, f32::max) < 3e-6, "{v} {cap:?}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_target_outside_is_nan() -> Result<()> {
        set_default_device(Device::cpu())?;
        let z = random::normal(&[3, 7], Dtype::Bfloat16, 0.0, 1.0, None)?;
        let targets = Array::from_slice(&[7i32, -1, 6], &[3])?;
        let found = losses_and_slope(&z, &targets, None)?.0.to_vec::<f32>()?;
        assert!(found[0].is_nan() && found[1].is_nan() && found[2].is_finite());
        Ok(())
    }
}
