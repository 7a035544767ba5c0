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
        let a = x % 2;
        let b = x < 0;
        let c = mlx_tests::ZERO;
        let d = |y| self.w(y);
        let e = (|y| y)(x);
        let f = x[0];
        let g = match x { _ => x };
        self.w(x)
    }
}

fn main() {}
