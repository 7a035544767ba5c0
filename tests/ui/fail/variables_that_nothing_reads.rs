use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;


#[mlx_model(config = Config)]
pub struct Net {
    #[param(2 * hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let squared = square(x);
        let (a, b) = self.w(x).split(2, -1);
        let window = config.eps;
        let _kept = exp(x);
        let mut h = x;
        h = relu(a);
        let y = h + a;
        h = exp(h);
        y
    }
}

fn main() {}
