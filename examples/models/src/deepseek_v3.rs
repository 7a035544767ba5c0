//! DeepSeek V3 (Liu et al. 2024): the cache holds one narrow latent vector a token, and experts are chosen by groups.
//!
//! Field names are those of mlx-lm's checkpoints, where the matrix from the latent vector is two stacks, one matrix a head.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, Linear, Param, RmsNorm, Rope, SwitchLinear};
use serde::Deserialize;

/// Sizes, named as in `config.json`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)] // the names are those of the published file
pub struct DeepseekV3Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub moe_intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub n_shared_experts: usize,
    pub n_routed_experts: usize,
    pub routed_scaling_factor: f32,
    pub kv_lora_rank: usize,
    pub q_lora_rank: usize,
    pub qk_rope_head_dim: usize,
    pub v_head_dim: usize,
    pub qk_nope_head_dim: usize,
    pub norm_topk_prob: bool,
    pub n_group: usize,
    pub topk_group: usize,
    pub num_experts_per_tok: usize,
    pub first_k_dense_replace: usize,
    pub rms_norm_eps: f32,
    pub rope_theta: f32,
}

/// Multi-head latent attention: one key and value for all heads, which each head reads in its own way.
#[mlx_model(config = DeepseekV3Config, dims(hidden = hidden_size, heads = num_attention_heads, rank = kv_lora_rank,
    nope = qk_nope_head_dim, rotary = qk_rope_head_dim, value = v_head_dim))]
pub struct Attention {
    #[param(q_lora_rank, hidden)]
    q_a_proj: Linear,
    #[param(q_lora_rank, eps = 1e-6)]
    q_a_layernorm: RmsNorm,
    #[param(heads * (nope + rotary), q_lora_rank)]
    q_b_proj: Linear,
    #[param(rank + rotary, hidden)]
    kv_a_proj_with_mqa: Linear,
    #[param(rank, eps = 1e-6)]
    kv_a_layernorm: RmsNorm,
    #[weights("embed_q.weight")]
    #[param(heads, rank, nope)]
    embed_q: Param,
    #[weights("unembed_out.weight")]
    #[param(heads, value, rank)]
    unembed_out: Param,
    #[param(hidden, heads * value)]
    o_proj: Linear,
    #[rope(qk_rope_head_dim, base = rope_theta, traditional = true)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `V_h softmax(scale * (q_h^T K_h c + q_r k_r^T)) c` with `c, k_r = W_a x`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)));
        let q = rearrange!("b l (h d) -> b h l d", q, h = heads);
        let (q, q_r) = q.split([nope, rotary], -1);
        let (c, k_r) = self.kv_a_proj_with_mqa(x).split([rank, rotary], -1);
        let c = self.kv_a_layernorm(c).expand_dims(1);
        let (q_r, k_r) = (self.rope(q_r, cache), self.rope(k_r.expand_dims(1), cache));
        let (k_r, c) = cache.update(k_r, c);
        let q = matmul(q, self.embed_q.swapaxes(-1, -2));
        let q = concatenate([q, q_r], -1);
        let k = concatenate([c, k_r], -1);
        let scale = (config.qk_nope_head_dim + config.qk_rope_head_dim).powf(-0.5);
        let y = scaled_dot_product_attention(q, k, c, causal, scale);
        let y = matmul(y, self.unembed_out.swapaxes(-1, -2));
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// A gated linear unit.
#[mlx_model(config = DeepseekV3Config, dims(hidden = hidden_size, ffn = intermediate_size))]
pub struct Mlp {
    #[param(ffn, hidden)]
    gate_proj: Linear,
    #[param(ffn, hidden)]
    up_proj: Linear,
    #[param(hidden, ffn)]
    down_proj: Linear,
}

#[mlx_model]
impl Mlp {
    /// `W_down (silu(W_gate x) * W_up x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
    }
}

/// Experts in groups, beside some that work on every token.
#[mlx_model(config = DeepseekV3Config, dims(hidden = hidden_size, ffn = moe_intermediate_size,
    experts = n_routed_experts, per = n_routed_experts / n_group))]
#[require(n_routed_experts % n_group == 0)]
#[require(2 * n_group <= n_routed_experts)]
#[require(topk_group < n_group)]
#[require(num_experts_per_tok <= n_routed_experts)]
pub struct Experts {
    #[param(experts, hidden)]
    gate: Linear,
    #[frozen]
    #[weights("gate.e_score_correction_bias")]
    #[param(experts)]
    bias: Param,
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
    #[config(intermediate_size = moe_intermediate_size * n_shared_experts)]
    shared_experts: Mlp,
}

#[mlx_model]
impl Experts {
    /// The shared experts, plus `scale * sum_e p_e expert_e(x)` over the best of the best groups, with
    /// `p = sigmoid(W x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let p = sigmoid(self.gate(x).astype(f32));
        let scores = (p + self.bias.astype(f32)).reshape([B, L, n_group, per]);
        let of_group = topk(scores, 2).sum(-1);
        let worst = argsort(of_group).slice([0], [n_group - topk_group], axes = [-1]);
        let worst = broadcast_to(worst.expand_dims(-1), [B, L, n_group - topk_group, per]);
        let scores = put_along_axis(scores, worst, 0.0, -2).reshape([B, L, experts]);
        let best = stop_gradient(argsort(-scores)).slice([0], [num_experts_per_tok], axes = [-1]);
        let mut weights = take_along_axis(p, best, -1);
        if config.norm_topk_prob {
            weights = weights / weights.sum(-1, keepdims);
        }
        let weights = (weights * config.routed_scaling_factor)
            .astype(float)
            .expand_dims(3);
        let one = x.reshape([B, L, 1, 1, hidden]);
        let y = silu(self.gate_proj(one, best)) * self.up_proj(one, best);
        (self.down_proj(y, best).squeeze(3) * weights).sum(2) + self.shared_experts(x)
    }
}

/// One block.
#[mlx_model(config = DeepseekV3Config)]
pub struct Block {
    #[param(hidden_size, eps = rms_norm_eps)]
    input_layernorm: RmsNorm,
    self_attn: Attention,
    #[param(hidden_size, eps = rms_norm_eps)]
    post_attention_layernorm: RmsNorm,
    #[when(layer >= first_k_dense_replace)]
    #[weights("mlp")]
    experts: Option<Experts>,
    #[when(layer < first_k_dense_replace)]
    mlp: Option<Mlp>,
}

#[mlx_model]
impl Block {
    /// `h = x + attention(norm(x)); h + mlp(norm(h))`.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden_size],
        cache: &mut KvCache,
    ) -> Tensor![B, L, hidden_size] {
        let h = x + self.self_attn(self.input_layernorm(x), cache);
        let y = self.post_attention_layernorm(h);
        if layer >= config.first_k_dense_replace {
            h + self.experts(y)
        } else {
            h + self.mlp(y)
        }
    }
}

/// A whole DeepSeek V3.
#[mlx_model(config = DeepseekV3Config)]
pub struct DeepseekV3 {
    #[weights("model.embed_tokens")]
    #[param(vocab_size, hidden_size)]
    embed_tokens: Embedding,
    #[weights("model.layers")]
    #[layers(num_hidden_layers)]
    layers: Vec<Block>,
    #[weights("model.norm")]
    #[param(hidden_size, eps = rms_norm_eps)]
    norm: RmsNorm,
    #[param(vocab_size, hidden_size)]
    lm_head: Linear,
}

#[mlx_model]
impl DeepseekV3 {
    /// The residual stream after all blocks, normalised.
    pub fn hidden(
        &self,
        tokens: Tensor![B, L; i32],
        cache: &mut KvCache,
    ) -> Tensor![B, L, hidden_size] {
        let mut h = self.embed_tokens(tokens);
        for layer in self.layers {
            h = layer(h, cache);
        }
        self.norm(h)
    }

    /// Logits of the token that follows each.
    pub fn forward(
        &self,
        tokens: Tensor![B, L; i32],
        cache: &mut KvCache,
    ) -> Tensor![B, L, vocab_size] {
        self.lm_head(self.hidden(tokens, cache))
    }

    /// The mean negative log-likelihood of the targets, each with its weight.
    pub fn loss(
        &self,
        tokens: Tensor![B, L; i32],
        targets: Tensor![B, L; i32],
        weights: Tensor![B, L; f32],
    ) -> Tensor![; f32] {
        let h = self.hidden(tokens, KvCache::off());
        linear_cross_entropy(h, self.lm_head, targets, weights).sum() / weights.sum()
    }
}
