use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config, digest = "../digests/net.txt")]
pub struct Net {
    #[weights("turned")]
    #[param(hidden, ffn)]
    back: Linear,
    #[weights("/layers.0.up", transposed)]
    #[param(ffn, hidden)]
    up: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.back(self.up(x))
    }
}

fn main() {}
