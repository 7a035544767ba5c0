use mlx_macros::mlx_model;
use mlx_tests::{Attention, Config};

#[mlx_model(config = Config)]
pub struct Net {
    attention: Attention,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.attention(x, x)
    }
}

fn main() {}
