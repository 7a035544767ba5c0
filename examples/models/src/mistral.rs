//! Mistral 7B (Jiang et al. 2023): a Llama with sliding-window attention.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Rope};

use crate::decoder::{Block, Decoder};
use crate::llama::Mlp;
use crate::Config;

/// A whole Mistral.
pub type Mistral = Decoder<Block<Attention, Mlp>>;

/// Grouped-query attention with rotary positions and, if the config has one, a sliding window.
#[mlx_model(config = Config, dims(hidden = hidden_size, heads = num_attention_heads,
    kv_heads = num_key_value_heads, q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(num_attention_heads % num_key_value_heads == 0)]
pub struct Attention {
    #[lora]
    #[param(q, hidden)]
    q_proj: Linear,
    #[lora]
    #[param(kv, hidden)]
    k_proj: Linear,
    #[lora]
    #[param(kv, hidden)]
    v_proj: Linear,
    #[lora]
    #[param(hidden, q)]
    o_proj: Linear,
    #[rope(head_dim, base = rope_theta, traditional = rope_traditional, scaling = rope_scaling)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `softmax(q k^T / sqrt(head_dim)) v`, each token looking at the last `sliding_window`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(x), h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = kv_heads);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = if config.sliding_window.is_some() {
            scaled_dot_product_attention(q, k, v, sliding(config.sliding_window))
        } else {
            scaled_dot_product_attention(q, k, v, causal)
        };
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}
