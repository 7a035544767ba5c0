use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Rope};
use mlx_tests::Config;


#[mlx_model(config = Config, dims(q = heads * head_dim))]
pub struct Net {
    #[param(q, hidden)]
    w: Linear,
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, q] {
        let q = rearrange!("b l (h d) -> b h l d", self.w(x), h = heads);
        let q = self.rope(q, cache);
        let y = scaled_dot_product_attention(q, q, q, causal);
        rearrange!("b h l d -> b l (h d)", y)
    }
}

fn main() {}
