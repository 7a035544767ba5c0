use mlx_macros::{mlx_kernel, mlx_model};
use mlx_runtime::nn::Linear;

#[mlx_kernel]
pub fn scaled(x: Tensor![B, D], w: Tensor![D]) -> Tensor![B, D] {
    x * w
}

pub struct Config {
    pub hidden: usize,
    pub ffn: usize,
}

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    #[param(hidden)]
    w: mlx_runtime::nn::Param,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, ffn] {
        scaled(self.up(x), self.w)
    }
}

fn main() {}
