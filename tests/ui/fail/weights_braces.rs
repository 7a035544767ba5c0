use mlx_macros::mlx_model;
use mlx_runtime::nn::{Param};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights("experts.{}.{}.up")]
    #[param(heads, hidden)]
    up: Param,
    #[weights("experts.{e}.up")]
    #[param(heads, hidden)]
    down: Param,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x + self.up.sum(0) + self.down.sum(0)
    }
}

fn main() {}
