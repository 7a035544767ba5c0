//! GPT-OSS (OpenAI 2025): attention with sinks that slides in every other layer, and experts with a clamped gated unit.
//!
//! Field names are the names in a checkpoint that mlx-lm converted: the published one holds gates and values in turns,
//! packed.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Param, Rope, SwitchLinear};

use crate::decoder::{Block, Decoder};
use crate::Config;

/// A whole GPT-OSS.
pub type GptOss = Decoder<Block<Attention, Experts>>;

/// Grouped-query attention with rotary positions; each head may look at nothing, which its sink stands for
/// (Xiao et al. 2023).
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
    #[param(heads)]
    sinks: Param,
    #[rope(head_dim, base = rope_theta, scaling = rope_scaling)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `softmax(sink, q k^T / sqrt(head_dim)) (0, v)`, each token looking at itself and those before, in every other
    /// layer no further back than the window.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(x), h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = kv_heads);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = if config.sliding_window.is_some()
            && (layer + 1) % config.sliding_window_pattern != 0
        {
            scaled_dot_product_attention(
                q,
                k,
                v,
                sliding(config.sliding_window),
                sinks = self.sinks,
            )
        } else {
            scaled_dot_product_attention(q, k, v, causal, sinks = self.sinks)
        };
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// A sparse mixture of experts with biases, each a gated linear unit (Shazeer et al. 2017).
#[mlx_model(config = Config, dims(hidden = hidden_size, ffn = intermediate_size,
    experts = num_local_experts))]
#[require(num_experts_per_tok <= num_local_experts)]
pub struct Experts {
    #[lora]
    #[param(experts, hidden, bias = true)]
    router: Linear,
    #[weights("experts.gate_proj")]
    #[lora]
    #[param(experts, ffn, hidden)]
    gate_proj: SwitchLinear,
    #[weights("experts.gate_proj.bias")]
    #[param(experts, ffn)]
    gate_bias: Param,
    #[weights("experts.up_proj")]
    #[lora]
    #[param(experts, ffn, hidden)]
    up_proj: SwitchLinear,
    #[weights("experts.up_proj.bias")]
    #[param(experts, ffn)]
    up_bias: Param,
    #[weights("experts.down_proj")]
    #[lora]
    #[param(experts, hidden, ffn)]
    down_proj: SwitchLinear,
    #[weights("experts.down_proj.bias")]
    #[param(experts, hidden)]
    down_bias: Param,
}

#[mlx_model]
impl Experts {
    /// `sum_e softmax(top(W x))_e (W_down,e ((up + 1) * gate * sigmoid(alpha * gate)) + b_e)` over the best experts of
    /// each token, with `gate` at most the limit and `up` within it.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let gates = self.router(x);
        let order = stop_gradient(argsort(-gates, -1));
        let best = order.slice([0], [num_experts_per_tok], axes = [-1]);
        let weights = softmax(take_along_axis(gates, best, -1), -1, precise = true);
        let x = x.reshape([B, L, 1, 1, hidden]);
        let gate = self.gate_proj(x, best).squeeze(3) + take(self.gate_bias, best, 0);
        let up = self.up_proj(x, best).squeeze(3) + take(self.up_bias, best, 0);
        let gate = minimum(gate, config.swiglu_limit);
        let up = clip(up, -config.swiglu_limit, config.swiglu_limit);
        let y = (up + 1.0) * (gate * sigmoid(gate * config.swiglu_alpha));
        let y = self.down_proj(y.expand_dims(3), best).squeeze(3) + take(self.down_bias, best, 0);
        (y * weights.expand_dims(3)).sum(2)
    }
}
