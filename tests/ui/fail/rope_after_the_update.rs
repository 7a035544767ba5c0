use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Rope};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Attention {
    #[param(heads * head_dim, hidden)]
    map: Linear,
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, heads, L, head_dim] {
        let q = rearrange!("b l (h d) -> b h l d", self.map(x), h = heads);
        let (k, v) = cache.update(self.rope(q, cache), q);
        scaled_dot_product_attention(self.rope(q, cache), k, v, causal)
    }
}

fn main() {}
