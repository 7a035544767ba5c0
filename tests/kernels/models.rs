//! Kernels in the bodies of models and functions.

use std::sync::Arc;

use mlx_macros::{mlx_fn, mlx_kernel, mlx_model};
use mlx_runtime::model::init;
use mlx_runtime::nn::Linear;
use mlx_runtime::random::Key;
use mlx_runtime::{kernels, ops, transforms, Array, Dtype, Result};

use crate::check::{apart, normal};

/// `h = x + r`, and `h` over its root-mean-square times `w`.
#[mlx_kernel]
pub fn add_norm(
    x: Tensor![B, D],
    r: Tensor![B, D],
    w: Tensor![D],
    eps: f32,
) -> (Tensor![B, D], Tensor![B, D]) {
    let h = x + r;
    (h, h * rsqrt(mean(square(h), -1, keepdims) + eps) * w)
}

#[mlx_fn]
pub fn twice(x: Tensor![B, D], w: Tensor![D]) -> Tensor![B, D] {
    let (_, y): (Tensor![B, D], Tensor![B, D]) = add_norm(x, x, w, 1e-5);
    y
}

pub struct Config {
    pub hidden: usize,
    pub eps: f32,
}

#[mlx_model(config = Config)]
pub struct Block {
    #[param(hidden, hidden)]
    map: Linear,
    #[param(hidden)]
    scale: mlx_runtime::nn::Param,
}

#[mlx_model]
impl Block {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        let r = self.map(x);
        let (h, y): (Tensor![B, hidden], Tensor![B, hidden]) =
            add_norm(x, r, self.scale, config.eps);
        h + twice(y, self.scale)
    }
}

#[test]
fn models_call_kernels() -> Result<()> {
    let config = Arc::new(Config {
        hidden: 8,
        eps: 1e-5,
    });
    let block: Block = init(&config, Key::new(0)?, Dtype::Float32)?;
    let x = normal(&[3, 8], 1, Dtype::Float32);
    let (y, want) = (block.forward(&x)?, kernels::without(|| block.forward(&x))?);
    assert!(apart(&y, &want) < 1e-5);
    let loss = |block: Block| {
        move |x: &[Array]| {
            Ok(vec![ops::sum(
                &ops::square(&block.forward(&x[0])?)?,
                &[],
                false,
            )?])
        }
    };
    let grad = transforms::grad(loss(init(&config, Key::new(0)?, Dtype::Float32)?), &[0])
        .call(std::slice::from_ref(&x))?;
    let block: Block = init(&config, Key::new(0)?, Dtype::Float32)?;
    let want =
        kernels::without(|| transforms::grad(loss(block), &[0]).call(std::slice::from_ref(&x)))?;
    assert!(apart(&grad[0], &want[0]) < 1e-5);
    Ok(())
}
