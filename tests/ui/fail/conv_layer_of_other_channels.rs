use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv1d, Conv2d, LayerNorm};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, 3, hidden)]
    mix: Conv1d,
    #[param(hidden, 4, 4, 3, stride = 4)]
    patches: Conv2d,
    #[param(hidden)]
    norm: LayerNorm,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, ffn]) -> Tensor![B, L, hidden] {
        self.mix(x)
    }

    pub fn images(&self, x: Tensor![B, H, W, 3]) -> Tensor![B, H, W, hidden] {
        self.patches(x)
    }

    pub fn small(&self, x: Tensor![B, 2, 2, 3]) -> Tensor![B, 1, 1, hidden] {
        self.patches(x)
    }

    pub fn flat(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.mix(x)
    }

    pub fn normed(&self, x: Tensor![B, ffn]) -> Tensor![B, ffn] {
        self.norm(x)
    }
}

fn main() {}
