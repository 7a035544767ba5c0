use mlx_macros::mlx_model;
use mlx_runtime::nn::Param;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, ffn)]
    w: Param,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        matmul(self.w, x)
    }
}

fn main() {}
