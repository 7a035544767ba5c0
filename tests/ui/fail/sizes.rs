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
        let a = x.reshape([B, L, 2.5]);
        let b = x.reshape([B, L, hidden % 2]);
        let c = x.reshape([B, L, f(hidden)]);
        let d = x.reshape([B, L, heads, hidden / heads]);
        self.w(x)
    }
}

fn main() {}
