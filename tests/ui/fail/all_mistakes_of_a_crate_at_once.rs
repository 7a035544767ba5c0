use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::Linear;
use mlx_tests::{Attention, Config, Mlp};

#[mlx_model(config = Config)]
pub struct First {
    #[param(ffn, hidden)]
    up: Linear,
}

#[mlx_model]
impl First {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.up(x)
    }
}

#[mlx_model(config = Config)]
pub struct Second {
    #[param(ffn, hiden)]
    up: Linear,
    first: First,
    mlp: Mlp,
    attention: Attention,
}

#[mlx_model]
impl Second {
    pub fn forward(&self, x: Tensor![B, L, hiden]) -> Tensor![B, L, ffn] {
        let wide = self.up(x);
        let y = self.first(wide);
        let z = self.mlp(y);
        self.attention(z, KvCache::off())
    }
}

#[mlx_fn]
pub fn swap(x: Tensor![B, D]) -> Tensor![D, B] {
    x
}

fn main() {}
