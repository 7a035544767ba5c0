use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config, digest = "../digests/net.txt")]
pub struct Net {
    #[weights("proj.q" + "proj.k")]
    #[param(vocab, hidden)]
    qk: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x + self.qk(x).sum(-1, true)
    }
}

fn main() {}
