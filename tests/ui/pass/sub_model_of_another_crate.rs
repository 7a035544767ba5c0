use mlx_macros::mlx_model;
use mlx_tests::Config;
use mlx_tests::{Attention, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    mlp: Mlp,
    attention: Attention,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let h = self.attention(x, KvCache::off());
        self.mlp(h)
    }
}

fn main() {}
