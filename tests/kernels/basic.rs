//! Gated units and norms, in every dtype and many sizes; each is one node, and so is its gradient.

use mlx_macros::mlx_kernel;
use mlx_runtime::low_level::graph::{self, NodeNamer};
use mlx_runtime::{kernels, ops, transforms, Array, Dtype, Result};

use crate::check::normal;
use crate::same;

#[mlx_kernel]
fn gated(a: Tensor![B, L, F], b: Tensor![B, L, F]) -> Tensor![B, L, F] {
    silu(a) * b
}

#[mlx_kernel]
fn norm(x: Tensor![B, L, D], w: Tensor![D], eps: f32) -> Tensor![B, L, D] {
    rms_norm(x, w, eps)
}

#[mlx_kernel]
fn add_rms_norm(
    x: Tensor![B, L, D],
    r: Tensor![B, L, D],
    w: Tensor![D],
    eps: f32,
) -> (Tensor![B, L, D], Tensor![B, L, D]) {
    let h = x + r;
    (h, h * rsqrt(mean(square(h), -1, keepdims) + eps) * w)
}

fn all(
    name: &str,
    f: impl Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static,
    inputs: impl Fn(i32, Dtype) -> Vec<Array>,
) {
    for d in [1, 7, 16, 48, 1000, 4099] {
        for (dtype, value, grad) in [
            (Dtype::Float32, 2e-6, 2e-5),
            (Dtype::Float16, 4e-3, 1e-2),
            (Dtype::Bfloat16, 3e-2, 6e-2),
        ] {
            let name = format!("{name} of {d} {dtype:?}");
            same(&name, f.clone(), &inputs(d, dtype), value, grad);
        }
    }
}

#[test]
fn gated_units_are_those_of_mlx() {
    let f = |x: &[Array]| Ok(vec![gated(&x[0], &x[1])?]);
    all("gated", f, |d, t| {
        vec![normal(&[2, 3, d], 1, t), normal(&[2, 3, d], 2, t)]
    });
}

#[test]
fn norms_are_those_of_mlx() {
    let f = |x: &[Array]| Ok(vec![norm(&x[0], &x[1], 1e-5)?]);
    all("norm", f, |d, t| {
        vec![normal(&[2, 3, d], 1, t), normal(&[d], 2, t)]
    });
}

#[test]
fn sums_with_norms_are_those_of_mlx() {
    let f = |x: &[Array]| {
        let (h, y) = add_rms_norm(&x[0], &x[1], &x[2], 1e-5)?;
        Ok(vec![h, y])
    };
    all("add_rms_norm", f, |d, t| {
        vec![
            normal(&[3, 2, d], 1, t),
            normal(&[3, 2, d], 2, t),
            normal(&[d], 3, t),
        ]
    });
}

/// The outputs of the launch that gives the first of these gradients.
fn outputs_of_the_gradient(argnums: &[i32]) -> usize {
    let array = |shape: &[i32]| {
        let n = shape.iter().product::<i32>() as usize;
        Array::from_slice(&vec![0.5f32; n], shape).unwrap()
    };
    let f = |x: &[Array]| {
        let (h, y) = add_rms_norm(&x[0], &x[1], &x[2], 1e-5)?;
        Ok(vec![ops::sum(&(h * y), &[], false)?])
    };
    let x = [array(&[2, 3, 8]), array(&[2, 3, 8]), array(&[8])];
    let grads = transforms::grad(f, argnums).call(&x).unwrap();
    let first = graph::simplify(&[&grads[0]]).unwrap();
    let text = graph::print_graph(&NodeNamer::new().unwrap(), &[&first[0]]).unwrap();
    let is_kernel = |l: &&str| l.contains("Rows") || l.contains("CudaLaunch");
    let launches: Vec<&str> = text.lines().filter(is_kernel).collect();
    // The kernel itself, and its gradient.
    assert_eq!(launches.len(), 2, "{text}");
    let (_, outputs) = launches[1].split_once("->").unwrap();
    outputs.matches('(').count()
}

#[test]
fn a_weight_that_nobody_trains_has_no_sum_over_rows() {
    assert_eq!(outputs_of_the_gradient(&[0]), 1);
    assert_eq!(outputs_of_the_gradient(&[0, 1]), 1);
    assert_eq!(outputs_of_the_gradient(&[0, 2]), 2);
    assert_eq!(outputs_of_the_gradient(&[2]), 2);
}

#[test]
fn a_kernel_is_one_node_and_so_is_its_gradient() {
    // Arrays without a graph of their own.
    let array = || Array::from_slice(&[0.5f32; 48], &[2, 3, 8]).unwrap();
    let x = [array(), array()];
    let y = gated(&x[0], &x[1]).unwrap();
    assert_eq!(graph::count_nodes(&[&y]).unwrap(), 1);
    let composed = kernels::without(|| gated(&x[0], &x[1])).unwrap();
    assert_eq!(graph::count_nodes(&[&composed]).unwrap(), 3);
    let f = |x: &[Array]| Ok(vec![gated(&x[0], &x[1])?]);
    let (_, grads) = transforms::vjp(f, &x, &[array()]).unwrap();
    // Without the copies that mark what is differentiated.
    let grads = graph::simplify(&[&grads[0], &grads[1]]).unwrap();
    assert_eq!(graph::count_nodes(&[&grads[0], &grads[1]]).unwrap(), 1);
}
