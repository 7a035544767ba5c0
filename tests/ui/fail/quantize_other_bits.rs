use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[quantize(bits = 7)]
    #[param(hidden, hidden)]
    up: Linear,
    #[quantize(group_size = 48)]
    #[param(hidden, hidden)]
    down: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.down(self.up(x))
    }
}

fn main() {}
