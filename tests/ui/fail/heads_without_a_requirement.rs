use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Rope};
use mlx_tests::Config;


#[mlx_model(config = Config, dims(q = heads * head_dim, kv = kv_heads * head_dim))]
pub struct Net {
    #[param(q + 2 * kv, hidden)]
    w: Linear,
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, q] {
        let (q, k, v) = self.w(x).split([q, kv, kv], -1);
        let q = rearrange!("b l (h d) -> b h l d", q, h = heads);
        let k = rearrange!("b l (h d) -> b h l d", k, h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", v, h = kv_heads);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        rearrange!("b h l d -> b l (h d)", y)
    }
}

fn main() {}
