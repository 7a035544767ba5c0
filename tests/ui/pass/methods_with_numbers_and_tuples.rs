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
        let (a, b) = self.both(x, 0.5);
        let (c, _) = self.both(a, config.eps);
        b + c
    }

    /// Both the result and what went in, scaled.
    pub fn both(&self, x: Tensor![N, M, hidden], scale: f32) -> (Tensor![N, M, hidden], Tensor![N, M, hidden]) {
        (self.down(self.up(x)), x * scale)
    }
}

fn main() {}
