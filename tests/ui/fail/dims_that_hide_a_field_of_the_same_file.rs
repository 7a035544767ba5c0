use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;

pub struct Sizes {
    pub hidden: usize,
    pub width: usize,
}

#[mlx_model(config = Sizes, dims(width = 2 * hidden))]
pub struct Net {
    #[param(width, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, width] {
        self.w(x)
    }
}

fn main() {}
