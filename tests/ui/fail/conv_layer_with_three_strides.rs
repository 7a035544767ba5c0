use mlx_macros::mlx_model;
use mlx_runtime::nn::Conv2d;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, 4, 4, 3, stride = [4, 4, 4])]
    patches: Conv2d,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, 8, 8, 3]) -> Tensor![B, 2, 2, hidden] {
        self.patches(x)
    }
}

fn main() {}
