use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Layer {
    #[param(ffn, hidden)]
    up: Linear,
    #[weights("norm")]
    #[param(hidden, ffn)]
    down: Linear,
}

#[mlx_model]
impl Layer {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.down(self.up(x))
    }
}

#[mlx_model(config = Config, digest = "../digests/net.txt")]
pub struct Net {
    #[layers(depth)]
    layers: Vec<Layer>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for layer in self.layers {
            h = layer(h);
        }
        h
    }
}

fn main() {}
