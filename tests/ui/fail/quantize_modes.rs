use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[quantize(mode = "int4")]
    #[param(hidden, hidden)]
    up: Linear,
    #[quantize(mode = "mxfp4", bits = 8)]
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
