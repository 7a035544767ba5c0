use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], q: Tensor![B, heads, L, head_dim], k: Tensor![B, heads, L, hidden]) -> Tensor![B, heads, L, hidden] {
        scaled_dot_product_attention(q, k, k, causal)
    }
}

fn main() {}
