//! OLMo 2 (Walsh et al. 2025): norms come after the sub-layers, and queries and keys are normalised before they are
//! split into heads.
//!
//! Field names are the names in a Hugging Face checkpoint.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, Rope};

use crate::decoder::Decoder;
use crate::llama::Mlp;
use crate::Config;

/// A whole OLMo 2.
pub type Olmo2 = Decoder<Block>;

/// Grouped-query attention with rotary positions; one norm over all queries, one over all keys.
#[mlx_model(config = Config, dims(hidden = hidden_size, heads = num_attention_heads,
    kv_heads = num_key_value_heads, q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(num_attention_heads % num_key_value_heads == 0)]
pub struct Attention {
    #[lora]
    #[param(q, hidden, bias = attention_bias)]
    q_proj: Linear,
    #[lora]
    #[param(kv, hidden, bias = attention_bias)]
    k_proj: Linear,
    #[lora]
    #[param(kv, hidden, bias = attention_bias)]
    v_proj: Linear,
    #[lora]
    #[param(hidden, q, bias = attention_bias)]
    o_proj: Linear,
    #[param(q, eps = rms_norm_eps)]
    q_norm: RmsNorm,
    #[param(kv, eps = rms_norm_eps)]
    k_norm: RmsNorm,
    #[rope(head_dim, base = rope_theta, traditional = rope_traditional, scaling = rope_scaling)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `softmax(q k^T / sqrt(head_dim)) v`, each token looking at itself and those before.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = self.q_norm(self.q_proj(x));
        let k = self.k_norm(self.k_proj(x));
        let q = rearrange!("b l (h d) -> b h l d", q, h = heads);
        let k = rearrange!("b l (h d) -> b h l d", k, h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = kv_heads);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// One block: attention, then feed-forward, each normalised before it joins the residual stream.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Block {
    self_attn: Attention,
    #[param(hidden, eps = rms_norm_eps)]
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
    #[param(hidden, eps = rms_norm_eps)]
    post_feedforward_layernorm: RmsNorm,
}

#[mlx_model]
impl Block {
    /// `h = x + norm(attention(x)); h + norm(mlp(h))`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let h = x + self.post_attention_layernorm(self.self_attn(x, cache));
        h + self.post_feedforward_layernorm(self.mlp(h))
    }
}
