use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights("up", "fc")]
    #[param(hidden, hidden)]
    up: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.up(x)
    }
}

fn main() {}
