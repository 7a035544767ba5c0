use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, Rope};
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    #[layers(depth)]
    #[param(hidden, hidden)]
    a: Linear,
    #[rope(head_dim)]
    b: Mlp,
    #[tied(a)]
    #[param(hidden)]
    c: RmsNorm,
    #[tied("a")]
    #[param(hidden, hidden)]
    d: Linear,
    layers: Vec<Mlp>,
    rope: Rope,
    #[param(hidden, hidden)]
    e: Mlp,
    #[param(hidden, hidden)]
    f: Linaer,
    #[require(depth > 1)]
    #[param(hidden)]
    g: RmsNorm,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x
    }
}

fn main() {}
