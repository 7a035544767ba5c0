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
        let y = if config.depth > 1 { self.up(x) } else { x };
        let (a, b) = if config.depth > 2 { (x, x) } else { x };
        self.down(self.up(a + b)) + y
    }
}

fn main() {}
