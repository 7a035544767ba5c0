//! Graphs deeper than a thread's stack.

use std::slice::from_ref;

use mlx_runtime::transforms::{self, CompileMode};
use mlx_runtime::{export, low_level::graph, ops, Array, Result};

// A million nodes pass as well, and take minutes in unoptimised tests.
const DEEP: usize = 300_000;

/// `x` after so many negations.
fn chain(x: &Array, n: usize) -> Result<Array> {
    let mut a = x.clone();
    for _ in 0..n {
        a = ops::negative(&a)?;
    }
    Ok(a)
}

fn long(x: &[Array]) -> Result<Vec<Array>> {
    Ok(vec![chain(&x[0], DEEP)?])
}

fn two() -> Array {
    Array::scalar(2.0f32).unwrap()
}

#[test]
fn gradients() {
    let grads = transforms::grad(long, &[0]).call(&[two()]).unwrap();
    assert_eq!(grads[0].item::<f32>().unwrap(), 1.0);
    let (value, change) = transforms::jvp(long, &[two()], &[two()]).unwrap();
    assert_eq!(value[0].item::<f32>().unwrap(), 2.0);
    assert_eq!(change[0].item::<f32>().unwrap(), 2.0);
}

#[test]
fn vectorised() {
    let rows = Array::from_slice(&[1.0f32, -3.0], &[2]).unwrap();
    let made = transforms::vmap(long, &[Some(0)], &[0]).call(&[rows]);
    assert_eq!(made.unwrap()[0].to_vec::<f32>().unwrap(), [1.0, -3.0]);
}

#[test]
fn compiled() {
    // Else MLX has the C++ compiler build each fused kernel.
    transforms::compile_mode(CompileMode::NoFuse).unwrap();
    let made = transforms::compile(long, false).call(&[two()]).unwrap();
    assert_eq!(made[0].item::<f32>().unwrap(), 2.0);
}

#[test]
fn a_closure_within_that_needs_one_too() {
    let inner = |x: &[Array]| {
        let small = |y: &[Array]| Ok(vec![ops::square(&y[0])?]);
        let grads = transforms::grad(small, &[0]).call(x)?;
        long(&grads)
    };
    let grads = transforms::grad(inner, &[0]).call(&[two()]).unwrap();
    assert_eq!(grads[0].item::<f32>().unwrap(), 2.0);
}

#[test]
fn read() {
    let a = chain(&two(), DEEP).unwrap();
    assert_eq!(graph::count_nodes(&[&a]).unwrap(), DEEP);
    let dot = graph::export_to_dot(&graph::NodeNamer::new().unwrap(), &[&a]).unwrap();
    assert!(dot.matches("Negative").count() == DEEP);
}

#[test]
fn exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.mlxfn");
    export::export_function(&path, long, from_ref(&two()), false).unwrap();
    assert!(path.metadata().unwrap().len() > DEEP as u64);
}
