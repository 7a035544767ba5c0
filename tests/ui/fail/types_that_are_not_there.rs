//! Types, bounds, attributes and fields of the config that are misspelt or missing: one error each, and none where the
//! model is used.

use mlx_macros::mlx_model;
use mlx_runtime::model::Model;
use mlx_runtime::nn::{Linear, RmsNorm};

pub struct Config {
    width: usize,
    eps: String,
    biased: usize,
}

#[mlx_model(config = Confg)]
pub struct OfNothing {
    #[param(width, width)]
    layer: Linear,
}

#[mlx_model]
impl OfNothing {
    pub fn forward(&self, x: Tensor![B, width]) -> Tensor![B, width] {
        self.layer(x)
    }
}

#[mlx_model(config = Config)]
pub struct Misspelt {
    #[parm(width, width)]
    layer: Linear,
    #[param(width, width)]
    typed: Linear<f32>,
}

#[mlx_model]
impl Misspelt {
    pub fn forward(&self, x: Tensor![B, width]) -> Tensor![B, width] {
        self.layer(self.typed(x))
    }
}

#[mlx_model(config = Config)]
pub struct Fields {
    #[param(widht, width)]
    up: Linear,
    #[param(width, widht, bias = biased)]
    down: Linear,
    #[param(width, eps = eps)]
    norm: RmsNorm,
}

#[mlx_model]
impl Fields {
    pub fn forward(&self, x: Tensor![B, width]) -> Tensor![B, width] {
        self.norm(self.down(self.up(x)))
    }
}

#[mlx_model(config = Config)]
pub struct Generic<A, B: Model<Config = Config>> {
    a: A,
    b: B,
}

#[mlx_model]
impl<A: Model<Config = Config>, B: Model<Config = Config>> Generic<A, B> {
    pub fn forward(&self, x: Tensor![N, width]) -> Tensor![N, width] {
        self.b(self.a(x))
    }
}

#[mlx_model(config = Config)]
pub struct Parameters<A: Model<Config = Config>> {
    a: A,
}

#[mlx_model]
impl Parameters {
    pub fn forward(&self, x: Tensor![N, width]) -> Tensor![N, width] {
        self.a(x)
    }
}

#[mlx_model(config = Config)]
pub struct Lifetime<'a, T> {
    #[param(width, width)]
    layer: Linear,
}

#[mlx_model(config = Config)]
impl Lifetime {
    pub fn forward(&self, x: Tensor![N, width]) -> Tensor![N, width] {
        self.layer(x)
    }
}

#[mlx_model(config = Config, allow(softmax_axes))]
pub struct Network {
    a: OfNothing,
    b: Misspelt,
    c: Fields,
    d: Generic<Fields, Lifetime>,
}

#[mlx_model]
impl Netwrok {
    pub fn forward(&self, x: Tensor![B, width]) -> Tensor![B, width] {
        self.d(self.c(self.b(self.a(x))))
    }
}

fn main() {}
