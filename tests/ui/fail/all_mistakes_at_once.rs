use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

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
        let a = sofmax(x, -1);
        let b = self.upp(x);
        let c = x.reshape([B, L]);
        self.down(self.up(a + b + c))
    }
}

fn main() {}
