use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;
use mlx_tests::Mlp;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    #[layers(depth)]
    layers: Vec<Mlp>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, ffn] {
        let mut h = self.up(x);
        for layer in self.layers {
            h = layer(h);
        }
        h
    }
}

fn main() {}
