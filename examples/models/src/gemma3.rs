//! Gemma 3 (Kamath et al. 2025): queries and keys are normalised, and most layers slide, with separate rotary periods.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, Rope};

use crate::gemma::Gemma;
use crate::Config;

/// A whole Gemma 3, its language part.
pub type Gemma3 = Gemma<Attention>;

/// Grouped-query attention with rotary positions, queries and keys normalised.
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
    #[param(head_dim, eps = rms_norm_eps, offset = 1.0)]
    q_norm: RmsNorm,
    #[param(head_dim, eps = rms_norm_eps, offset = 1.0)]
    k_norm: RmsNorm,
    #[rope(head_dim, base = rope_local_base_freq, scaling = rope_local_scaling)]
    local: Rope,
    #[rope(head_dim, base = rope_theta, scaling = rope_scaling)]
    global: Rope,
}

#[mlx_model]
impl Attention {
    /// `softmax(scale * q k^T) v`, each token looking at itself and those before, in sliding layers
    /// no further back than the window.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(x), h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = kv_heads);
        let (q, k) = (self.q_norm(q), self.k_norm(k));
        let y = if config.sliding_window.is_some()
            && (layer + 1) % config.sliding_window_pattern != 0
        {
            let (q, k) = (self.local(q, cache), self.local(k, cache));
            let (k, v) = cache.update(k, v);
            scaled_dot_product_attention(
                q,
                k,
                v,
                sliding(config.sliding_window),
                config.attention_scale,
            )
        } else {
            let (q, k) = (self.global(q, cache), self.global(k, cache));
            let (k, v) = cache.update(k, v);
            scaled_dot_product_attention(q, k, v, causal, config.attention_scale)
        };
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}
