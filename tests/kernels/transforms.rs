//! Kernels inside of MLX's transforms: all but the first derivative go through MLX's operations.

use mlx_macros::mlx_kernel;
use mlx_runtime::{export, kernels, ops, transforms, Array, Dtype, Result};

use crate::check::{apart, normal};
use crate::same;

#[mlx_kernel]
fn scaled(x: Tensor![B, D], w: Tensor![D], by: f32) -> Tensor![B, D] {
    tanh(x) * softmax(x, -1) * w * by
}

fn call(x: &[Array]) -> Result<Vec<Array>> {
    Ok(vec![scaled(&x[0], &x[1], 1.5)?])
}

fn inputs() -> [Array; 2] {
    [
        normal(&[3, 10], 1, Dtype::Float32),
        normal(&[10], 2, Dtype::Float32),
    ]
}

fn close(a: &Array, b: &Array) {
    let by = apart(a, b);
    assert!(by < 2e-5, "{by}");
}

#[test]
fn jvp_is_composed() -> Result<()> {
    let (x, t) = (
        inputs(),
        [
            normal(&[3, 10], 3, Dtype::Float32),
            normal(&[10], 4, Dtype::Float32),
        ],
    );
    let (y, d) = transforms::jvp(call, &x, &t)?;
    let (want, want_d) = kernels::without(|| transforms::jvp(call, &x, &t))?;
    close(&y[0], &want[0]);
    close(&d[0], &want_d[0]);
    Ok(())
}

#[test]
fn a_batch_of_calls_is_composed() -> Result<()> {
    let x = [
        normal(&[4, 3, 10], 1, Dtype::Float32),
        normal(&[10], 2, Dtype::Float32),
    ];
    let y = transforms::vmap(call, &[Some(0), None], &[0]).call(&x)?;
    for i in 0..4 {
        let row = ops::take(&x[0], &Array::scalar(i)?, 0)?;
        close(
            &ops::take(&y[0], &Array::scalar(i)?, 0)?,
            &scaled(&row, &x[1], 1.5)?,
        );
    }
    Ok(())
}

/// A kernel that was recorded before it is batched.
#[test]
fn the_gradient_of_a_batch_is_composed() -> Result<()> {
    let x = [
        normal(&[4, 3, 10], 1, Dtype::Float32),
        normal(&[10], 2, Dtype::Float32),
    ];
    let loss = |x: &[Array]| Ok(vec![ops::sum(&call(x)?[0], &[], false)?]);
    let batch = transforms::vmap(
        move |x: &[Array]| transforms::grad(loss, &[0]).call(x),
        &[Some(0), None],
        &[0],
    );
    let all = batch.call(&x)?;
    let row = ops::take(&x[0], &Array::scalar(2)?, 0)?;
    let one = transforms::grad(loss, &[0]).call(&[row, x[1].clone()])?;
    close(&ops::take(&all[0], &Array::scalar(2)?, 0)?, &one[0]);
    Ok(())
}

#[test]
fn second_derivatives_are_composed() {
    let first = |x: &[Array]| {
        let loss = |x: &[Array]| Ok(vec![ops::sum(&ops::square(&call(x)?[0])?, &[], false)?]);
        transforms::grad(loss, &[0, 1]).call(x)
    };
    same("second derivative", first, &inputs(), 1e-5, 5e-5);
}

/// A sum and its norm: the gradient reads the sum, not its terms.
#[mlx_kernel]
fn summed(x: Tensor![B, D], r: Tensor![B, D], w: Tensor![D]) -> (Tensor![B, D], Tensor![B, D]) {
    let h = x + r;
    (h, h * rsqrt(mean(square(h), -1, keepdims) + 1e-5) * w)
}

#[test]
fn second_derivatives_of_gradients_that_read_results_are_composed() {
    let first = |x: &[Array]| {
        let loss = |x: &[Array]| {
            let (h, y) = summed(&x[0], &x[1], &x[2])?;
            let both = ops::square(&(h * y))?;
            Ok(vec![ops::sum(&both, &[], false)?])
        };
        transforms::grad(loss, &[0, 1, 2]).call(x)
    };
    let x = [
        normal(&[3, 10], 1, Dtype::Float32),
        normal(&[3, 10], 2, Dtype::Float32),
        normal(&[10], 3, Dtype::Float32),
    ];
    same("second derivative of sums", first, &x, 1e-5, 5e-5);
}

#[test]
fn checkpoints_and_compiled_functions_hold_kernels() -> Result<()> {
    let x = inputs();
    let loss = |x: &[Array]| Ok(vec![ops::sum(&ops::square(&call(x)?[0])?, &[], false)?]);
    let want = transforms::grad(loss, &[0]).call(&x)?;
    let kept = transforms::checkpoint(call);
    let through = move |x: &[Array]| {
        Ok(vec![ops::sum(
            &ops::square(&kept.call(x)?[0])?,
            &[],
            false,
        )?])
    };
    close(&transforms::grad(through, &[0]).call(&x)?[0], &want[0]);
    let compiled = transforms::compile(
        move |x: &[Array]| transforms::grad(loss, &[0]).call(x),
        false,
    );
    close(&compiled.call(&x)?[0], &want[0]);
    close(&compiled.call(&x)?[0], &want[0]);
    Ok(())
}

#[test]
fn exported_functions_hold_operations_of_mlx() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("mlx-kernel-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("scaled.mlxfn");
    let x = inputs();
    export::export_function(&path, call, &x, false)?;
    let y = export::import_function(&path)?.call(&x)?;
    close(&y[0], &call(&x)?[0]);
    std::fs::remove_dir_all(&folder).unwrap();
    Ok(())
}
