use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights("w", channels_first)]
    #[param(hidden, hidden)]
    w: Linear,
    #[weights(part("n", 0, 2))]
    #[param(hidden)]
    n: RmsNorm,
    #[weights(part("qkv", 3, 3))]
    #[param(hidden, hidden)]
    q: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.w(self.n(self.q(x)))
    }
}

fn main() {}
