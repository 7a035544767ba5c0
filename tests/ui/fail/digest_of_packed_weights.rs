use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config, digest = "../digests/net.txt")]
pub struct Net {
    #[weights("wide")]
    #[param(ffn, hidden)]
    wide: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x + self.wide(x).sum(-1, true)
    }
}

fn main() {}
