//! Qwen 3 (Yang et al. 2025): a Llama with queries and keys that are normalised head by head.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, Rope};

use crate::decoder::{Block, Decoder};
use crate::llama::Mlp;
use crate::Config;

/// A whole Qwen 3.
pub type Qwen3 = Decoder<Block<Attention, Mlp>>;

/// Grouped-query attention with rotary positions, queries and keys normalised (Henry et al. 2020).
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
    #[param(head_dim, eps = rms_norm_eps)]
    q_norm: RmsNorm,
    #[param(head_dim, eps = rms_norm_eps)]
    k_norm: RmsNorm,
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
        let q = self.rope(self.q_norm(q), cache);
        let k = self.rope(self.k_norm(k), cache);
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}
