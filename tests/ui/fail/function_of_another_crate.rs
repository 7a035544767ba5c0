use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::{Config, pooled, soft_cap};

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    #[param(hidden, ffn)]
    down: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let a = mlx_tests::soft_cap(x, self.up(x));
        let b = pooled(x);
        let c: Tensor![B, L, ffn] = soft_cap(x, 30.0);
        let d = soft_cap(30.0);
        let e = soft_cap(x);
        self.down(c)
    }
}

fn main() {}
