//! Gemma 2 (Riviere et al. 2024): attention scores are capped, every other layer slides.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Rope};

use crate::gemma::Gemma;
use crate::Config;

/// A whole Gemma 2.
pub type Gemma2 = Gemma<Attention>;

/// Grouped-query attention with rotary positions and capped scores.
#[mlx_model(config = Config, dims(hidden = hidden_size, heads = num_attention_heads,
    kv_heads = num_key_value_heads, q = heads * head_dim, kv = kv_heads * head_dim,
    group = heads / kv_heads))]
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
    /// `softmax(mask(cap * tanh(scale * q k^T / cap))) v`, each token looking at itself and those
    /// before, in every other layer no further back than the window.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(x), h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = kv_heads);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        // The query heads that share a key head stand beside each other.
        let q = rearrange!("b (k g) l d -> b k g l d", q, g = group) * config.attention_scale;
        let scores = matmul(q, rearrange!("b k s d -> b k 1 d s", k));
        let scores = tanh(scores / config.attn_logit_softcapping) * config.attn_logit_softcapping;
        let scores = if config.sliding_window.is_some()
            && (layer + 1) % config.sliding_window_pattern != 0
        {
            causal_mask(scores, window = config.sliding_window)
        } else {
            causal_mask(scores)
        };
        let y = matmul(softmax(scores, -1, precise = true), v.expand_dims(2));
        self.o_proj(rearrange!("b k g l d -> b l (k g d)", y))
    }
}
