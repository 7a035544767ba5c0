//! Qwen 3 with experts (Yang et al. 2025): every so many layers, the feed-forward part is a choice
//! of experts.
//!
//! Field names are the names in a Hugging Face checkpoint; the experts' matrices, which it holds one
//! by one, are stacked and named as mlx-lm does, adapters included.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, SwitchLinear};

use crate::decoder::Decoder;
use crate::llama::Mlp;
use crate::qwen3::Attention;
use crate::Config;

/// A whole Qwen 3 with experts.
pub type Qwen3Moe = Decoder<Block>;

/// A sparse mixture of experts, each a gated linear unit (Shazeer et al. 2017).
#[mlx_model(config = Config, dims(hidden = hidden_size, ffn = moe_intermediate_size,
    experts = num_local_experts))]
#[require(num_experts_per_tok <= num_local_experts)]
pub struct Experts {
    #[lora]
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
}

#[mlx_model]
impl Experts {
    /// `sum_e p_e W_down,e (silu(W_gate,e x) * W_up,e x)` over the best experts of each token, with
    /// `p = softmax(W x)`, made to sum to one if the config says so.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let gates = softmax(self.gate(x), -1, precise = true);
        let order = stop_gradient(argsort(-gates, -1));
        let best = order.slice([0], [num_experts_per_tok], axes = [-1]);
        let mut weights = take_along_axis(gates, best, -1);
        if config.norm_topk_prob {
            weights = weights / weights.sum(-1, keepdims = true);
        }
        let x = x.reshape([B, L, 1, 1, hidden]);
        let y = silu(self.gate_proj(x, best)) * self.up_proj(x, best);
        let y = self.down_proj(y, best);
        (y.squeeze(3) * weights.expand_dims(3)).sum(2)
    }
}

/// One block: attention, then experts or one feed-forward part, each on a normalised residual stream.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Block {
    #[param(hidden, eps = rms_norm_eps)]
    input_layernorm: RmsNorm,
    self_attn: Attention,
    #[param(hidden, eps = rms_norm_eps)]
    post_attention_layernorm: RmsNorm,
    #[when((layer + 1) % decoder_sparse_step == 0)]
    #[weights("mlp")]
    experts: Option<Experts>,
    #[when((layer + 1) % decoder_sparse_step != 0)]
    mlp: Option<Mlp>,
}

#[mlx_model]
impl Block {
    /// `h = x + attention(norm(x)); h + experts(norm(h))`, or `h + mlp(norm(h))`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let h = x + self.self_attn(self.input_layernorm(x), cache);
        let y = self.post_attention_layernorm(h);
        if (layer + 1) % config.decoder_sparse_step == 0 {
            h + self.experts(y)
        } else {
            h + self.mlp(y)
        }
    }
}
