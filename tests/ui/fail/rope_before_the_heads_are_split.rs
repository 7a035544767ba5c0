use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Rope};
use mlx_tests::Config;

#[mlx_model(config = Config, dims(width = heads * head_dim))]
pub struct Net {
    #[param(width, hidden)]
    w: Linear,
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden, head_dim] {
        let q = self.w(x).reshape([B, L, heads, head_dim]);
        self.rope(q, KvCache::off())
    }
}

fn main() {}
