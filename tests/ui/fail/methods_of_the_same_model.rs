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
        let y = self.widen(self.up(x));
        self.widden(x);
        self.down(y)
    }

    pub fn widen(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, ffn] {
        self.up(x)
    }
}

fn main() {}
