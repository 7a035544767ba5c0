use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::{Linear, Param};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Shared {
    #[param(hidden)]
    a: Param,
    #[weights("a")]
    #[param(hidden)]
    b: Param,
}

#[mlx_model]
impl Shared {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        x * self.a + self.b
    }
}

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Net {
    pub fn map(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.map(x)
    }

    pub fn twice(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        let config = x * 2.0;
        x + 1.0
    }
}

#[mlx_fn]
pub fn both(x: Tensor![B], x: Tensor![B]) -> Tensor![B] {
    x * 2.0
}

#[mlx_fn]
pub fn placed(layer: Tensor![B]) -> Tensor![B] {
    layer * 2.0
}

fn main() {}
