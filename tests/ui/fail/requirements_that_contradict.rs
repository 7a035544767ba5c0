use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;

#[mlx_model(config = Config)]
#[require(hidden % 2 == 0)]
#[require(hidden % 2 == 1)]
pub struct Odd {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Odd {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.w(x)
    }
}

#[mlx_model(config = Config)]
#[require(heads < kv_heads)]
#[require(depth > 1)]
#[require(kv_heads < heads)]
pub struct Order {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Order {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.w(x)
    }
}

#[mlx_model(config = Config)]
#[require(heads < kv_heads && kv_heads < depth)]
#[require(depth < heads)]
pub struct Circle {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Circle {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.w(x)
    }
}

#[mlx_model(config = Config)]
#[require(heads == 3)]
#[require(heads == 4)]
pub struct Number {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Number {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.w(x)
    }
}

#[mlx_model(config = Config)]
#[require(hidden < 1)]
pub struct Size {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Size {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.w(x)
    }
}

#[mlx_model(config = Config)]
#[require(eps > 1.0)]
#[require(eps <= 0.5)]
pub struct Float {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Float {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.w(x)
    }
}

fn main() {}
