use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Param, RmsNorm};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
    #[when(depth > 1)]
    #[param(hidden)]
    norm: Option<RmsNorm>,
    #[when(depth > 2 && vocab > 1)]
    #[param(hidden)]
    scale: Option<Param>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = if config.depth > 2 { self.norm(x) } else { x };
        let z = if config.depth > 1 { self.norm(y) } else { self.norm(x) };
        let u = if config.depth > 2 { z * self.scale } else { z };
        self.w(u)
    }
}

fn main() {}
