use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv1d, Linear, Param};
use mlx_tests::Config;


#[mlx_model(config = Config, dims(none = 2 - 2))]
pub struct Named {
    #[param(none, hidden)]
    w: Linear,
}

#[mlx_model]
impl Named {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, none] {
        self.w(x)
    }
}

#[mlx_model(config = Config)]
#[require(ffn < hidden)]
pub struct Net {
    #[layers(0)]
    layers: Vec<mlx_tests::Mlp>,
    #[layers(1 - 4)]
    more: Vec<mlx_tests::Mlp>,
    #[param(0, hidden)]
    a: Linear,
    #[param(ffn - hidden, hidden)]
    b: Linear,
    #[param(2 - 6)]
    c: Param,
    #[param(hidden, 3, hidden, stride = 0)]
    d: Conv1d,
    #[param(hidden, 3, hidden, padding = 1 - 2)]
    e: Conv1d,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, 3 - 8]) -> Tensor![B, L, hidden] {
        x
    }
}

fn main() {}
