//! DeepSeek V2 (Liu et al. 2024): attention whose keys and values come out of one narrow latent vector a token, and
//! experts of which some always work.
//!
//! Field names are the names in a Hugging Face checkpoint; the experts' matrices, which it holds one
//! by one, are stacked and named as mlx-lm does, adapters included.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, Rope, SwitchLinear};

use crate::decoder::{Block, Decoder};
use crate::llama::Mlp;
use crate::Config;

/// A whole DeepSeek V2.
pub type DeepseekV2 = Decoder<Block<Attention, FeedForward>>;

/// Multi-head latent attention: a head has a part without position, and a part that rotates, of which the key is shared
/// by all heads.
#[mlx_model(config = Config, dims(hidden = hidden_size, heads = num_attention_heads, rank = kv_lora_rank,
    nope = qk_nope_head_dim, rotary = qk_rope_head_dim, value = v_head_dim))]
pub struct Attention {
    #[when(q_lora_rank.is_none())]
    #[lora]
    #[param(heads * (nope + rotary), hidden)]
    q_proj: Option<Linear>,
    #[when(q_lora_rank.is_some())]
    #[lora]
    #[param(q_lora_rank, hidden, bias = attention_bias)]
    q_a_proj: Option<Linear>,
    #[when(q_lora_rank.is_some())]
    #[param(q_lora_rank, eps = 1e-6)]
    q_a_layernorm: Option<RmsNorm>,
    #[when(q_lora_rank.is_some())]
    #[lora]
    #[param(heads * (nope + rotary), q_lora_rank)]
    q_b_proj: Option<Linear>,
    #[lora]
    #[param(rank + rotary, hidden, bias = attention_bias)]
    kv_a_proj_with_mqa: Linear,
    #[param(rank, eps = 1e-6)]
    kv_a_layernorm: RmsNorm,
    #[lora]
    #[param(heads * (nope + value), rank)]
    kv_b_proj: Linear,
    #[lora]
    #[param(hidden, heads * value, bias = attention_bias)]
    o_proj: Linear,
    #[rope(qk_rope_head_dim, base = rope_theta, traditional = true, scaling = rope_scaling)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `softmax(scale * (q k^T + q_r k_r^T)) v` with `k, v = W_b norm(W_a x)`, each token looking at itself and those
    /// before.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = if config.q_lora_rank.is_some() {
            self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))
        } else {
            self.q_proj(x)
        };
        let q = rearrange!("b l (h d) -> b h l d", q, h = heads);
        let (q, q_r) = q.split([nope, rotary], -1);
        let (latent, k_r) = self.kv_a_proj_with_mqa(x).split([rank, rotary], -1);
        let kv = self.kv_b_proj(self.kv_a_layernorm(latent));
        let kv = rearrange!("b l (h d) -> b h l d", kv, h = heads);
        let (k, v) = kv.split([nope, value], -1);
        let q_r = self.rope(q_r, cache);
        let k_r = self.rope(k_r.expand_dims(1), cache);
        let q = concatenate([q, q_r], -1);
        let k_r = broadcast_to(k_r, [B, heads, L, rotary]);
        let (k, v) = cache.update(concatenate([k, k_r], -1), v);
        let y = scaled_dot_product_attention(q, k, v, causal, config.attention_scale);
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// A sparse mixture of experts beside others that work on every token, each a gated linear unit.
#[mlx_model(config = Config, dims(hidden = hidden_size, ffn = moe_intermediate_size,
    shared = ffn * n_shared_experts, experts = num_local_experts))]
#[require(num_experts_per_tok <= num_local_experts)]
pub struct Experts {
    #[param(experts, hidden)]
    gate: Linear,
    #[weights("switch_mlp.gate_proj" | "experts.{}.gate_proj")]
    #[lora]
    #[param(experts, ffn, hidden)]
    gate_proj: SwitchLinear,
    #[weights("switch_mlp.up_proj" | "experts.{}.up_proj")]
    #[lora]
    #[param(experts, ffn, hidden)]
    up_proj: SwitchLinear,
    #[weights("switch_mlp.down_proj" | "experts.{}.down_proj")]
    #[lora]
    #[param(experts, hidden, ffn)]
    down_proj: SwitchLinear,
    #[weights("shared_experts.gate_proj")]
    #[lora]
    #[param(shared, hidden)]
    shared_gate: Linear,
    #[weights("shared_experts.up_proj")]
    #[lora]
    #[param(shared, hidden)]
    shared_up: Linear,
    #[weights("shared_experts.down_proj")]
    #[lora]
    #[param(hidden, shared)]
    shared_down: Linear,
}

#[mlx_model]
impl Experts {
    /// The shared experts, plus `scale * sum_e p_e expert_e(x)` over the best of each token, with `p = softmax(W x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let gates = softmax(self.gate(x), -1, precise = true);
        let order = stop_gradient(argsort(-gates, -1));
        let best = order.slice([0], [num_experts_per_tok], axes = [-1]);
        let weights = take_along_axis(gates, best, -1) * config.routed_scaling_factor;
        let all = self.shared_down(silu(self.shared_gate(x)) * self.shared_up(x));
        let x = x.reshape([B, L, 1, 1, hidden]);
        let y = silu(self.gate_proj(x, best)) * self.up_proj(x, best);
        let y = self.down_proj(y, best);
        (y.squeeze(3) * weights.expand_dims(3)).sum(2) + all
    }
}

/// The feed-forward part: experts, in the first layers one gated linear unit.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct FeedForward {
    #[when(layer >= first_k_dense_replace)]
    #[weights("")]
    experts: Option<Experts>,
    #[when(layer < first_k_dense_replace)]
    #[weights("")]
    dense: Option<Mlp>,
}

#[mlx_model]
impl FeedForward {
    /// Of each token.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        if layer >= config.first_k_dense_replace {
            self.experts(x)
        } else {
            self.dense(x)
        }
    }
}
