//! Phi 3 (Abdin et al. 2024): a Llama with projections that are stored joined.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Rope};

use crate::decoder::{Block, Decoder};
use crate::Config;

/// A whole Phi 3.
pub type Phi3 = Decoder<Block<Attention, Mlp>>;

/// Grouped-query attention with rotary positions; one matrix makes queries, keys and values.
#[mlx_model(config = Config, dims(hidden = hidden_size, heads = num_attention_heads,
    kv_heads = num_key_value_heads, q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(num_attention_heads % num_key_value_heads == 0)]
pub struct Attention {
    #[lora]
    #[param(q + 2 * kv, hidden)]
    qkv_proj: Linear,
    #[lora]
    #[param(hidden, q)]
    o_proj: Linear,
    #[rope(head_dim, rotated = rotary_dim, base = rope_theta, scaling = rope_scaling)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `softmax(q k^T / sqrt(head_dim)) v`, each token looking at the last `sliding_window`, or at
    /// all before it.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let (q, k, v) = self.qkv_proj(x).split([q, kv, kv], -1);
        let q = rearrange!("b l (h d) -> b h l d", q, h = heads);
        let k = rearrange!("b l (h d) -> b h l d", k, h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", v, h = kv_heads);
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

/// The feed-forward part: a gated linear unit; one matrix makes gate and value.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Mlp {
    #[lora]
    #[param(2 * intermediate_size, hidden)]
    gate_up_proj: Linear,
    #[lora]
    #[param(hidden, intermediate_size)]
    down_proj: Linear,
}

#[mlx_model]
impl Mlp {
    /// `W_down (silu(gate) * up)` of the halves of `W x`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let (gate, up) = self.gate_up_proj(x).split(2, -1);
        self.down_proj(silu(gate) * up)
    }
}
