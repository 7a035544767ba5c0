//! Frozen arguments, gradients by hand, and gradients that one launch cannot compute.

use mlx_macros::{mlx_fn, mlx_kernel};
use mlx_runtime::{kernels, ops, transforms, Array, Dtype, Result};

use crate::check::{both, normal, numbers};
use crate::same;

#[mlx_kernel]
fn frozen_norm(x: Tensor![B, D], #[frozen] w: Tensor![D]) -> Tensor![B, D] {
    rms_norm(x, w, 1e-5)
}

#[test]
fn a_frozen_argument_has_no_gradient() -> Result<()> {
    let x = [
        normal(&[4, 9], 1, Dtype::Float32),
        normal(&[9], 2, Dtype::Float32),
    ];
    let f = |x: &[Array]| Ok(vec![frozen_norm(&x[0], &x[1])?]);
    for (_, grads) in [both(f, &x)?, kernels::without(|| both(f, &x))?] {
        assert!(numbers(&grads[0]).iter().any(|g| *g != 0.0));
        assert!(numbers(&grads[1]).iter().all(|g| *g == 0.0));
    }
    same("frozen_norm", f, &x, 1e-6, 1e-5);
    Ok(())
}

/// Passes the cotangent as if the step were the identity.
#[mlx_fn]
fn straight(x: Tensor![B, D], w: Tensor![D], by: f32, dout: Tensor![B, D]) -> Tensor![B, D] {
    dout * 2.0 + x * 0.0 + w * by * 0.0
}

#[mlx_kernel(vjp = straight)]
fn rounded(x: Tensor![B, D], #[frozen] w: Tensor![D], by: f32) -> Tensor![B, D] {
    round(x) * w * by
}

#[test]
fn a_gradient_by_hand_is_used_on_every_path() -> Result<()> {
    let x = [
        normal(&[4, 9], 1, Dtype::Float32),
        normal(&[9], 2, Dtype::Float32),
    ];
    let f = |x: &[Array]| Ok(vec![rounded(&x[0], &x[1], 0.5)?]);
    for (values, grads) in [both(f, &x)?, kernels::without(|| both(f, &x))?] {
        let by = normal(values[0].shape(), 900, Dtype::Float32);
        let twice: Vec<f32> = numbers(&by).iter().map(|g| g * 2.0).collect();
        assert_eq!(numbers(&grads[0]), twice);
        assert!(numbers(&grads[1]).iter().all(|g| *g == 0.0));
    }
    Ok(())
}

#[mlx_kernel]
fn rows_of(table: Tensor![V, D], at: Tensor![B; i32]) -> Tensor![B, D] {
    take(table, at, 0) * 2.0
}

#[mlx_kernel]
fn chosen(x: Tensor![B, D], at: Tensor![B, K; u32]) -> Tensor![B, K] {
    take_along_axis(square(x), at, -1)
}

/// Their gradients scatter, which MLX's operations do.
#[test]
fn gradients_that_scatter_are_composed() {
    let table = [
        normal(&[6, 5], 1, Dtype::Float32),
        Array::from_slice(&[3, 0, -1, 3], &[4]).unwrap(),
    ];
    same(
        "rows_of",
        |x: &[Array]| Ok(vec![rows_of(&x[0], &x[1])?]),
        &table,
        0.0,
        1e-6,
    );
    let at: Vec<u32> = (0..40).map(|i| i * 3 % 5).collect();
    let x = [
        normal(&[2, 5], 1, Dtype::Float32),
        Array::from_slice(&at, &[2, 20]).unwrap(),
    ];
    same(
        "chosen",
        |x: &[Array]| Ok(vec![chosen(&x[0], &x[1])?]),
        &x,
        1e-6,
        1e-6,
    );
}

#[mlx_kernel]
fn weighted(x: Tensor![B, D], w: Tensor![D]) -> Tensor![B, D] {
    x * w
}

/// The sum over rows has the same bits at every run, and its error does not grow with their number.
#[test]
fn a_sum_over_many_rows_is_exact_and_repeatable() -> Result<()> {
    let rows = 50_000;
    let x = [
        ops::full(&[rows, 3], &Array::scalar(0.1f32)?, Dtype::Float32)?,
        normal(&[3], 1, Dtype::Float32),
    ];
    let loss = |x: &[Array]| Ok(vec![ops::sum(&weighted(&x[0], &x[1])?, &[], false)?]);
    let grad = || Ok::<_, mlx_runtime::Error>(numbers(&transforms::grad(loss, &[1]).call(&x)?[0]));
    let first = grad()?;
    let want = 0.1f32 as f64 * f64::from(rows);
    assert!(
        first
            .iter()
            .all(|g| (f64::from(*g) - want).abs() < want * 1e-5),
        "{first:?}"
    );
    assert_eq!(first, grad()?);
    Ok(())
}
