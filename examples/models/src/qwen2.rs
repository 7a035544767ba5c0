//! Qwen 2 and 2.5 (Yang et al. 2024): a Llama with biases on queries, keys and values.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Rope};

use crate::decoder::{Block, Decoder};
use crate::llama::Mlp;
use crate::Config;

/// A whole Qwen 2.
pub type Qwen2 = Decoder<Block<Attention, Mlp>>;

/// Grouped-query attention with rotary positions, and biases on queries, keys and values.
#[mlx_model(config = Config, dims(hidden = hidden_size, heads = num_attention_heads,
    kv_heads = num_key_value_heads, q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(num_attention_heads % num_key_value_heads == 0)]
pub struct Attention {
    #[lora]
    #[param(q, hidden, bias = true)]
    q_proj: Linear,
    #[lora]
    #[param(kv, hidden, bias = true)]
    k_proj: Linear,
    #[lora]
    #[param(kv, hidden, bias = true)]
    v_proj: Linear,
    #[lora]
    #[param(hidden, q)]
    o_proj: Linear,
    #[rope(head_dim, base = rope_theta, traditional = rope_traditional, scaling = rope_scaling)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `softmax(q k^T / sqrt(head_dim)) v`, each token looking at itself and those before.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(x), h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = kv_heads);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}
