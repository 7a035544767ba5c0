use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights("mlp..up")]
    #[param(hidden, hidden)]
    up: Linear,
    #[weights("mlp/down")]
    #[param(hidden, hidden)]
    down: Linear,
    #[weights()]
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
