use mlx_macros::mlx_model;
use mlx_runtime::nn::{RmsNorm};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[quantize(bits = 4)]
    #[param(hidden)]
    norm: RmsNorm,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.norm(x)
    }
}

fn main() {}
