use mlx_macros::mlx_model;
use mlx_tests::Config;
use mlx_tests::Attention;

#[mlx_model(config = Config)]
pub struct Net {
    attention: Attention,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.attention(x)
    }
}

fn main() {}
