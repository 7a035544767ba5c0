//! Mixtral (Jiang et al. 2024): a Mistral with a mixture of experts as its feed-forward part.
//!
//! Field names are the names in a Hugging Face checkpoint; the experts' matrices, which it holds one
//! by one, are stacked and named as mlx-lm does, adapters included.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, SwitchLinear};

use crate::decoder::Decoder;
use crate::mistral::Attention;
use crate::Config;

/// A whole Mixtral.
pub type Mixtral = Decoder<Block>;

/// A sparse mixture of experts, each a gated linear unit (Shazeer et al. 2017).
#[mlx_model(config = Config, dims(hidden = hidden_size))]
#[require(num_experts_per_tok <= num_local_experts)]
pub struct Experts {
    #[lora]
    #[param(num_local_experts, hidden)]
    gate: Linear,
    #[weights("switch_mlp.gate_proj" | "experts.{}.w1")]
    #[lora]
    #[param(num_local_experts, intermediate_size, hidden)]
    w1: SwitchLinear,
    #[weights("switch_mlp.down_proj" | "experts.{}.w2")]
    #[lora]
    #[param(num_local_experts, hidden, intermediate_size)]
    w2: SwitchLinear,
    #[weights("switch_mlp.up_proj" | "experts.{}.w3")]
    #[lora]
    #[param(num_local_experts, intermediate_size, hidden)]
    w3: SwitchLinear,
}

#[mlx_model]
impl Experts {
    /// `sum_e softmax(top(W x))_e W2_e (silu(W1_e x) * W3_e x)` over the best experts of each token.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let gates = self.gate(x);
        let order = stop_gradient(argsort(-gates, -1));
        let best = order.slice([0], [num_experts_per_tok], axes = [-1]);
        let weights = softmax(take_along_axis(gates, best, -1), -1, precise = true);
        let x = x.reshape([B, L, 1, 1, hidden]);
        let y = silu(self.w1(x, best)) * self.w3(x, best);
        let y = self.w2(y, best);
        (y.squeeze(3) * weights.expand_dims(3)).sum(2)
    }
}

/// One block: attention, then experts, each on a normalised residual stream.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Block {
    #[param(hidden, eps = rms_norm_eps)]
    input_layernorm: RmsNorm,
    self_attn: Attention,
    #[param(hidden, eps = rms_norm_eps)]
    post_attention_layernorm: RmsNorm,
    block_sparse_moe: Experts,
}

#[mlx_model]
impl Block {
    /// `h = x + attention(norm(x)); h + experts(norm(h))`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let h = x + self.self_attn(self.input_layernorm(x), cache);
        h + self.block_sparse_moe(self.post_attention_layernorm(h))
    }
}
