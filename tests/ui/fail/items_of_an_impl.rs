use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    const SIZE: usize = 3;

    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.w(x)
    }
}

#[mlx_model]
impl Default for Net {
    fn default() -> Self {
        Net::nothing()
    }
}

fn main() {}
