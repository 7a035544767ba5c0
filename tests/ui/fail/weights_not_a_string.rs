use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights(fc1.up)]
    #[param(hidden, hidden)]
    up: Linear,
    #[weights("a" | 3)]
    #[param(hidden, hidden)]
    down: Linear,
    #[weights(turned("a"))]
    #[param(hidden, hidden)]
    side: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.side(self.down(self.up(x)))
    }
}

fn main() {}
