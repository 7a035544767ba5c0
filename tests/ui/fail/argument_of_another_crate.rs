use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;
use mlx_tests::Mlp;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    mlp: Mlp,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let wide = self.up(x);
        let y: Tensor![B, L, hidden] = self.mlp(wide);
        y
    }
}

fn main() {}
