use mlx_macros::mlx_model;
use mlx_runtime::nn::{Param, RmsNorm};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights(transposed)]
    #[param(hidden)]
    norm: RmsNorm,
    #[weights(gguf = transposed("scale"))]
    #[param(hidden)]
    scale: Param,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.norm(x) * self.scale
    }
}

fn main() {}
