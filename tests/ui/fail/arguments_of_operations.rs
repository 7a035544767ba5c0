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
        let a = sum(x, -1, axes = 0);
        let b = sum(x, axis = -1);
        let c = softmax();
        let d = logaddexp(1.0, 2.0);
        let e = self.w(x, x);
        let f = self.other(x, x);
        self.w(x)
    }

    pub fn other(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x
    }
}

fn main() {}
