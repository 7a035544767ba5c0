//! Clips gradients by the global norm and by value.
//!
//! Tests: `mlx-tests --test parity_optim`.

use crate::ops;
use crate::{Array, Dtype, Error, Result};

/// The gradients, scaled down together so that the norm of all of them is at most `max_norm`, and
/// the norm before. Nothing is evaluated. MLX: `optimizers.clip_grad_norm`.
///
/// The factor is `min(max_norm / (norm + 1e-6), 1)`. The squares add up in float32, and each
/// gradient keeps its dtype.
///
/// # Errors
/// If `max_norm` is negative or NaN.
pub fn clip_grad_norm(grads: &[Array], max_norm: f32) -> Result<(Vec<Array>, Array)> {
    if max_norm.is_nan() || max_norm < 0.0 {
        return Err(Error::invalid(
            "clip_grad_norm",
            format!("invalid max_norm {max_norm}: expected 0 or more"),
        ));
    }
    let norm = grad_norm(grads)?;
    let above = ops::add(&norm, &Array::scalar(1e-6f32)?)?;
    let factor = ops::minimum(
        &ops::divide(&Array::scalar(max_norm)?, &above)?,
        &Array::scalar(1.0f32)?,
    )?;
    let clipped = grads
        .iter()
        .map(|g| ops::multiply(g, &ops::astype(&factor, g.dtype())?))
        .collect::<Result<_>>()?;
    Ok((clipped, norm))
}

/// The gradients with every element brought between `-bound` and `bound`. NaN stays NaN. Nothing is
/// evaluated. MLX: `clip`, on each gradient.
///
/// # Errors
/// If `bound` is negative or NaN.
pub fn clip_grad_value(grads: &[Array], bound: f32) -> Result<Vec<Array>> {
    if bound.is_nan() || bound < 0.0 {
        return Err(Error::invalid(
            "clip_grad_value",
            format!("invalid bound {bound}: expected 0 or more"),
        ));
    }
    grads
        .iter()
        .map(|g| {
            let limit = |x: f32| Array::scalar_as(f64::from(x), g.dtype());
            ops::clip(g, Some(&limit(-bound)?), Some(&limit(bound)?))
        })
        .collect()
}

/// The norm of all gradients together, a float32 scalar. The squares add up in float32, in blocks. Nothing is
/// evaluated.
///
/// # Errors
/// Returns the error that MLX reports.
pub fn grad_norm(grads: &[Array]) -> Result<Array> {
    let mut squares = Array::scalar(0.0f32)?;
    for g in grads {
        let g = ops::astype(g, Dtype::Float32)?;
        squares = ops::add(&squares, &sum_in_blocks(&ops::square(&g)?)?)?;
    }
    ops::sqrt(&squares)
}

/// The sum of all elements. MLX's own sum on a CPU has one accumulator, in which 50 million equal numbers add up to
/// half of their sum.
fn sum_in_blocks(a: &Array) -> Result<Array> {
    const BLOCK: i32 = 128;
    let mut rest = ops::reshape(a, &[-1])?;
    loop {
        let n = rest.dim(0)?;
        let whole = n / BLOCK * BLOCK;
        if n <= BLOCK {
            return ops::sum(&rest, &[], false);
        }
        let blocks = ops::reshape(&ops::slice(&rest, &[0], &[whole], &[1])?, &[-1, BLOCK])?;
        let sums = ops::sum(&blocks, &[1], false)?;
        rest = match whole == n {
            true => sums,
            false => ops::concatenate(&[&sums, &ops::slice(&rest, &[whole], &[n], &[1])?], 0)?,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_gradients_shrink_and_short_ones_stay() {
        let grads = [
            Array::from_slice(&[3.0f32, 0.0], &[2]).unwrap(),
            Array::from_slice(&[4.0f32], &[1]).unwrap(),
        ];
        let (clipped, norm) = clip_grad_norm(&grads, 1.0).unwrap();
        assert_eq!(norm.item::<f32>().unwrap(), 5.0);
        let x = clipped[0].to_vec::<f32>().unwrap()[0];
        assert!((x - 0.6).abs() < 1e-5);
        let (same, _) = clip_grad_norm(&grads, 10.0).unwrap();
        assert_eq!(same[1].to_vec::<f32>().unwrap(), [4.0]);
        for bad in [-1.0, f32::NAN] {
            assert!(clip_grad_norm(&grads, bad).is_err());
        }
        assert_eq!(
            clip_grad_norm(&[], 1.0).unwrap().1.item::<f32>().unwrap(),
            0.0
        );
    }

    #[test]
    fn the_norm_of_many_numbers_is_near_float64() {
        for n in [1, 127, 128, 129, 300_001, 5_000_000] {
            let grads = [
                ops::full(&[n], &Array::scalar(0.1f32).unwrap(), Dtype::Float32).unwrap(),
                ops::full(&[3, 2], &Array::scalar(0.1f32).unwrap(), Dtype::Float32).unwrap(),
            ];
            let norm = f64::from(grad_norm(&grads).unwrap().item::<f32>().unwrap());
            let exact = f64::from(0.1f32) * f64::from(n + 6).sqrt();
            // Sums of up to 4 levels of blocks of 128; half of their error in the root.
            let error = (norm - exact).abs() / exact;
            assert!(error < 2e-5, "{n}: {norm} is not {exact}");
        }
    }

    #[test]
    fn elements_stay_within_the_bound() {
        let g = [Array::from_slice(&[3.0f32, -0.5, f32::NEG_INFINITY, f32::NAN], &[4]).unwrap()];
        let clipped = clip_grad_value(&g, 1.0).unwrap()[0]
            .to_vec::<f32>()
            .unwrap();
        assert_eq!(clipped[..3], [1.0, -0.5, -1.0]);
        assert!(clipped[3].is_nan());
        for bad in [-1.0, f32::NAN] {
            assert!(clip_grad_value(&g, bad).is_err());
        }
    }
}
