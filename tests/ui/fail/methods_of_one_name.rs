use mlx_macros::mlx_model;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        x * 2.0
    }

    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        x * 3.0
    }
}

fn main() {}
