use mlx_macros::mlx_model;
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    mlp: Mlp,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.mlp(x, x)
    }
}

fn main() {}
