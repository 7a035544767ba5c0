use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::{Config, soft_cap};

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        soft_cpa(self.w(x), 30.0)
    }
}

fn main() {}
