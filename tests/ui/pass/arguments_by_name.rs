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
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = sum(self.w(x), -1, keepdims = true);
        let z = softmax(a = x, axes = -1, precise = true);
        let u = clip(z, a_max = 1.0);
        y + u
    }
}

fn main() {}
