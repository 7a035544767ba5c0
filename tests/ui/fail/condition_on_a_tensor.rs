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
        let y = if sum(x) > 0 { self.w(x) } else { x };
        let z = if x > 0 { self.w(y) } else { y };
        let u = if self.w.bias { z } else { x };
        let v = if mlx_tests::ON { u } else { x };
        v
    }
}

fn main() {}
