//! Arguments that may be absent: each combination is one launch, with the values and gradients of the same composed of MLX's
//! operations, called from Rust and from bodies.

use mlx_macros::{mlx_fn, mlx_kernel, mlx_model};
use mlx_runtime::low_level::graph;
use mlx_runtime::model::init;
use mlx_runtime::nn::Param;
use mlx_runtime::random::Key;
use mlx_runtime::{Array, Dtype, Result};

use crate::check::{normal, numbers};
use crate::same;

/// `x * scale + bias`, as far as there are both, and its norm.
#[mlx_kernel]
pub fn affine(
    x: Tensor![B, L, D],
    scale: Option<Tensor![D]>,
    bias: Option<Tensor![D]>,
    factor: f32,
) -> (Tensor![B, L, D], Tensor![B, L, 1]) {
    let mut h = x * 2.0;
    let shifted = factor + 1.0;
    if scale.is_some() {
        let t = scale * shifted;
        h = h * t;
    }
    let t = tanh(h);
    let y = if bias.is_some() {
        t + bias
    } else if scale.is_none() {
        t - 0.5
    } else {
        t
    };
    (y, mean(square(y), -1, keepdims))
}

/// A row's loss, of which weights may be absent.
#[mlx_kernel]
fn loss(
    logits: Tensor![N, V],
    targets: Tensor![N, 1; i32],
    weights: Option<Tensor![N, 1; f32]>,
) -> Tensor![N, 1; f32] {
    let each = astype(
        logsumexp(logits, -1, keepdims) - take_along_axis(logits, targets, -1),
        f32,
    );
    if weights.is_some() && !weights.is_none() {
        each * weights
    } else {
        each
    }
}

/// Calls two variants from a body.
#[mlx_fn]
fn twice(x: Tensor![B, L, D], w: Tensor![D]) -> Tensor![B, L, D] {
    let (a, _): (Tensor![B, L, D], Tensor![B, L, 1]) = affine(x, Some(w), None, 0.5);
    let (b, _): (Tensor![B, L, D], Tensor![B, L, 1]) = affine(a, None, Some(w * 2.0), 0.5);
    b
}

pub struct Sizes {
    hidden: usize,
    biased: bool,
}

#[mlx_model(config = Sizes)]
pub struct Block {
    #[param(hidden)]
    scale: Param,
    #[param(hidden)]
    #[when(biased)]
    bias: Option<Param>,
}

#[mlx_model]
impl Block {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let (y, _): (Tensor![B, L, hidden], Tensor![B, L, 1]) = if config.biased {
            affine(x, Some(self.scale), Some(self.bias), 0.5)
        } else {
            affine(x, Some(self.scale), None, 0.5)
        };
        y
    }
}

fn inputs(dtype: Dtype) -> [Array; 3] {
    [
        normal(&[2, 3, 33], 1, dtype),
        normal(&[33], 2, dtype),
        normal(&[33], 3, dtype),
    ]
}

#[test]
fn each_combination_has_the_values_and_gradients_of_mlx() {
    for (dtype, value, grad) in [(Dtype::Float32, 2e-6, 2e-5), (Dtype::Float16, 4e-3, 1e-2)] {
        for (scale, bias) in [(true, true), (true, false), (false, true), (false, false)] {
            let f = move |x: &[Array]| {
                let (y, m) = affine(&x[0], scale.then_some(&x[1]), bias.then_some(&x[2]), 0.25)?;
                Ok(vec![y, m])
            };
            same(
                &format!("affine {scale} {bias} {dtype:?}"),
                f,
                &inputs(dtype),
                value,
                grad,
            );
        }
    }
    let targets = Array::from_slice(&[3i32, 0, 6], &[3, 1]).unwrap();
    let x = [
        normal(&[3, 7], 4, Dtype::Bfloat16),
        normal(&[3, 1], 5, Dtype::Float32),
    ];
    for weighted in [true, false] {
        let targets = targets.clone();
        let f = move |x: &[Array]| Ok(vec![loss(&x[0], &targets, weighted.then_some(&x[1]))?]);
        same(&format!("loss {weighted}"), f, &x, 1e-2, 2e-2);
    }
}

#[test]
fn what_is_absent_is_not_computed() -> Result<()> {
    let number = |shape: &[i32], x: f32| {
        Array::from_slice(&vec![x; shape.iter().product::<i32>() as usize], shape)
    };
    let (x, w) = (number(&[1, 1, 4], 0.5)?, number(&[4], 3.0)?);
    let tanh = |x: f32| x.tanh();
    let y = |scale: Option<&Array>, bias: Option<&Array>| -> Result<f32> {
        let (y, _) = affine(&x, scale, bias, 1.0)?;
        assert_eq!(graph::count_nodes(&[&y])?, 1);
        Ok(numbers(&y)[0])
    };
    assert!((y(None, None)? - (tanh(1.0) - 0.5)).abs() < 1e-6);
    assert!((y(Some(&w), None)? - tanh(6.0)).abs() < 1e-6);
    assert!((y(None, Some(&w))? - (tanh(1.0) + 3.0)).abs() < 1e-6);
    assert!((y(Some(&w), Some(&w))? - (tanh(6.0) + 3.0)).abs() < 1e-6);
    Ok(())
}

#[test]
fn bodies_choose_a_variant() -> Result<()> {
    let [x, w, _] = inputs(Dtype::Float32);
    let (a, _) = affine(&x, Some(&w), None, 0.5)?;
    let (b, _) = affine(&a, None, Some(&(&w * 2.0)), 0.5)?;
    assert_eq!(numbers(&twice(&x, &w)?), numbers(&b));
    for biased in [true, false] {
        let sizes = std::sync::Arc::new(Sizes { hidden: 33, biased });
        let block: Block = init(&sizes, Key::new(0)?, Dtype::Float32)?;
        let (scale, bias) = (block.scale.value(), block.bias.as_ref().map(Param::value));
        let (want, _) = affine(&x, Some(&scale), bias.as_ref(), 0.5)?;
        assert_eq!(numbers(&block.forward(&x)?), numbers(&want));
    }
    Ok(())
}
