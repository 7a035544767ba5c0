use mlx_macros::mlx_model;
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config, digest = "../digests/cut.txt")]
pub struct Net {
    #[layers(depth)]
    layers: Vec<Mlp>,
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
