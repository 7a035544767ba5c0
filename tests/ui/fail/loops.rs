use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::{Attention, Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    #[layers(depth)]
    layers: Vec<Mlp>,
    #[layers(depth)]
    blocks: Vec<Attention>,
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let mut h = x;
        for (i, layer) in self.layers {
            h = layer(h);
        }
        for layer in self.layers {
            let y = h * 2.0;
            h = y;
        }
        for layer in self.layers {
            h = self.w(h);
        }
        for layer in self.w {
            h = layer(h);
        }
        for layer in layers {
            h = layer(h);
        }
        for block in self.blocks {
            h = block(h, cache, x);
        }
        h
    }
}

fn main() {}
