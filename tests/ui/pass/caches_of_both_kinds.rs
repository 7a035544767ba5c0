use mlx_macros::mlx_model;
use mlx_tests::{Attention, Config};

#[mlx_model(config = Config)]
pub struct Net {
    first: Attention,
    #[layers(depth)]
    layers: Vec<Attention>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let mut h = self.first(x, KvCache::off());
        for layer in self.layers {
            h = layer(h, cache);
        }
        h
    }
}

fn main() {}
