//! Qwen 3 Next (Qwen Team 2025): three of four layers have a gated delta rule (Yang et al. 2024) in place of attention,
//! and a state in place of keys and values.
//!
//! Field names are the names in a Hugging Face checkpoint.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::{Conv1d, Embedding, Linear, Param, RmsNorm, Rope, SwitchLinear};
use serde::Deserialize;

/// Sizes, named as in `config.json`, but for the rotated part of a head, which is a share there.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)] // the names are those of the published file
pub struct Qwen3NextConfig {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
    pub rms_norm_eps: f32,
    pub tie_word_embeddings: bool,
    pub full_attention_interval: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub rotary_dims: usize,
    pub rope_theta: f32,
    pub linear_num_value_heads: usize,
    pub linear_num_key_heads: usize,
    pub linear_key_head_dim: usize,
    pub linear_value_head_dim: usize,
    pub linear_conv_kernel_dim: usize,
    pub decoder_sparse_step: usize,
    pub num_experts: usize,
    pub num_experts_per_tok: usize,
    pub norm_topk_prob: bool,
    pub moe_intermediate_size: usize,
    pub shared_expert_intermediate_size: usize,
}

/// `x / sqrt(sum x^2 + 1e-6)`.
#[mlx_fn]
pub fn unit(x: Tensor![B, L, H, D]) -> Tensor![B, L, H, D] {
    x * rsqrt(square(x).sum(-1, keepdims) + 1e-6)
}

/// A delta rule with a gate.
#[mlx_model(config = Qwen3NextConfig, dims(hidden = hidden_size, kh = linear_num_key_heads, vh = linear_num_value_heads,
    dk = linear_key_head_dim, dv = linear_value_head_dim, keys = kh * dk, values = vh * dv, conv = 2 * keys + values,
    taps = linear_conv_kernel_dim, group = vh / kh))]
#[require(linear_num_value_heads % linear_num_key_heads == 0)]
#[require(linear_conv_kernel_dim > 1)]
pub struct DeltaNet {
    #[param(2 * keys + 2 * values, hidden)]
    in_proj_qkvz: Linear,
    #[param(2 * vh, hidden)]
    in_proj_ba: Linear,
    #[weights("conv1d", channels_first)]
    #[param(conv, taps, conv, groups = conv, bias = false)]
    conv1d: Conv1d,
    #[param(vh)]
    dt_bias: Param,
    #[weights("A_log")]
    #[param(vh)]
    a_log: Param,
    #[param(dv, eps = rms_norm_eps)]
    norm: RmsNorm,
    #[param(hidden, values)]
    out_proj: Linear,
}

#[mlx_model]
impl DeltaNet {
    /// `y_t = S_t q_t`, with `S_t = g_t S_(t-1) + beta_t (v_t - g_t S_(t-1) k_t) k_t^T`.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden],
        cache: &mut State![x: [B, taps - 1, conv], s: [B, vh, dv, dk; f32]],
    ) -> Tensor![B, L, hidden] {
        let parts = rearrange!("b l (h d) -> b l h d", self.in_proj_qkvz(x), h = kh);
        let (q, k, v, z) = parts.split([dk, dk, group * dv, group * dv], -1);
        let parts = rearrange!("b l (h g) -> b l h g", self.in_proj_ba(x), h = kh);
        let (b, a) = parts.split(2, -1);
        let qkv = concatenate([flatten(q, 2), flatten(k, 2), flatten(v, 2)], -1);
        let qkv = concatenate([cache.x, qkv], 1);
        let (_, last) = qkv.split([L, taps - 1], 1);
        cache.x = last;
        let (q, k, v) = silu(self.conv1d(qkv)).split([keys, keys, values], -1);
        let q = unit(q.reshape([B, L, kh, dk])) * config.linear_key_head_dim.powf(-0.5);
        let k = unit(k.reshape([B, L, kh, dk]));
        let q = repeat(q, group, 2).moveaxis(1, 0).astype(f32);
        let k = repeat(k, group, 2).moveaxis(1, 0).astype(f32);
        let v = v.reshape([B, L, vh, dv]).moveaxis(1, 0).astype(f32);
        let beta = sigmoid(b).reshape([B, L, vh]).moveaxis(1, 0).astype(f32);
        let dt = softplus(a.reshape([B, L, vh]) + self.dt_bias).astype(f32);
        let g = exp(-exp(self.a_log.astype(f32)) * dt).moveaxis(1, 0);
        let mut s = cache.s;
        let mut all = vec![];
        for t in 0..L {
            let k = k[t].expand_dims(-2);
            let faded = s * g[t].expand_dims([-1, -2]);
            let delta = (v[t] - (faded * k).sum(-1)) * beta[t].expand_dims(-1);
            s = faded + k * delta.expand_dims(-1);
            all.push((s * q[t].expand_dims(-2)).sum(-1));
        }
        cache.s = s;
        let y = self.norm(stack(all, 1).astype(float));
        let y = silu(z.reshape([B, L, vh, dv]).astype(f32)) * y.astype(f32);
        self.out_proj(y.astype(float).reshape([B, L, values]))
    }
}

/// Attention with a gate on its result.
#[mlx_model(config = Qwen3NextConfig, dims(hidden = hidden_size, heads = num_attention_heads,
    kv_heads = num_key_value_heads, q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(num_attention_heads % num_key_value_heads == 0)]
pub struct Attention {
    #[param(2 * q, hidden)]
    q_proj: Linear,
    #[param(kv, hidden)]
    k_proj: Linear,
    #[param(kv, hidden)]
    v_proj: Linear,
    #[param(hidden, q)]
    o_proj: Linear,
    #[param(head_dim, eps = rms_norm_eps, offset = 1.0)]
    q_norm: RmsNorm,
    #[param(head_dim, eps = rms_norm_eps, offset = 1.0)]
    k_norm: RmsNorm,
    #[rope(head_dim, rotated = rotary_dims, base = rope_theta)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `W_o (attention(q, k, v) * sigmoid(gate))`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let both = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let (q, gate) = both.split(2, -1);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(x), h = kv_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = kv_heads);
        let q = self.rope(self.q_norm(q), cache);
        let k = self.rope(self.k_norm(k), cache);
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal) * sigmoid(gate);
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// A gated linear unit.
#[mlx_model(config = Qwen3NextConfig)]
pub struct Mlp {
    #[param(intermediate_size, hidden_size)]
    gate_proj: Linear,
    #[param(intermediate_size, hidden_size)]
    up_proj: Linear,
    #[param(hidden_size, intermediate_size)]
    down_proj: Linear,
}

#[mlx_model]
impl Mlp {
    /// `W_down (silu(W_gate x) * W_up x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden_size]) -> Tensor![B, L, hidden_size] {
        self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
    }
}

/// The best experts of each token, and one that all tokens share.
#[mlx_model(config = Qwen3NextConfig, dims(hidden = hidden_size, ffn = moe_intermediate_size))]
#[require(num_experts_per_tok <= num_experts)]
pub struct Experts {
    #[param(num_experts, hidden)]
    gate: Linear,
    #[weights("switch_mlp.gate_proj" | "experts.{}.gate_proj")]
    #[param(num_experts, ffn, hidden)]
    gate_proj: SwitchLinear,
    #[weights("switch_mlp.up_proj" | "experts.{}.up_proj")]
    #[param(num_experts, ffn, hidden)]
    up_proj: SwitchLinear,
    #[weights("switch_mlp.down_proj" | "experts.{}.down_proj")]
    #[param(num_experts, hidden, ffn)]
    down_proj: SwitchLinear,
    #[config(intermediate_size = shared_expert_intermediate_size)]
    shared_expert: Mlp,
    #[param(1, hidden)]
    shared_expert_gate: Linear,
}

#[mlx_model]
impl Experts {
    /// `sum_e p_e mlp_e(x) + sigmoid(w . x) mlp(x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let gates = softmax(self.gate(x), -1, precise = true);
        let order = stop_gradient(argsort(-gates, -1));
        let best = order.slice([0], [num_experts_per_tok], axes = [-1]);
        let mut weights = take_along_axis(gates, best, -1);
        if config.norm_topk_prob {
            weights = weights / weights.sum(-1, keepdims = true);
        }
        let one = x.reshape([B, L, 1, 1, hidden]);
        let y = silu(self.gate_proj(one, best)) * self.up_proj(one, best);
        let y = (self.down_proj(y, best).squeeze(3) * weights.expand_dims(3)).sum(2);
        y + sigmoid(self.shared_expert_gate(x)) * self.shared_expert(x)
    }
}

/// One block.
#[mlx_model(config = Qwen3NextConfig)]
pub struct Block {
    #[param(hidden_size, eps = rms_norm_eps, offset = 1.0)]
    input_layernorm: RmsNorm,
    #[when((layer + 1) % full_attention_interval == 0)]
    self_attn: Option<Attention>,
    #[when((layer + 1) % full_attention_interval != 0)]
    linear_attn: Option<DeltaNet>,
    #[param(hidden_size, eps = rms_norm_eps, offset = 1.0)]
    post_attention_layernorm: RmsNorm,
    #[when((layer + 1) % decoder_sparse_step == 0)]
    #[weights("mlp")]
    experts: Option<Experts>,
    #[when((layer + 1) % decoder_sparse_step != 0)]
    mlp: Option<Mlp>,
}

#[mlx_model]
impl Block {
    /// `h = x + mix(norm(x)); h + mlp(norm(h))`.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden_size],
        cache: &mut KvCache,
    ) -> Tensor![B, L, hidden_size] {
        let y = self.input_layernorm(x);
        let h = x + if (layer + 1) % config.full_attention_interval == 0 {
            self.self_attn(y, cache)
        } else {
            self.linear_attn(y, cache)
        };
        let y = self.post_attention_layernorm(h);
        h + if (layer + 1) % config.decoder_sparse_step == 0 {
            self.experts(y)
        } else {
            self.mlp(y)
        }
    }
}

/// A whole Qwen 3 Next.
#[mlx_model(config = Qwen3NextConfig)]
pub struct Qwen3Next {
    #[weights("model.embed_tokens")]
    #[param(vocab_size, hidden_size)]
    embed_tokens: Embedding,
    #[weights("model.layers")]
    #[layers(num_hidden_layers)]
    layers: Vec<Block>,
    #[weights("model.norm")]
    #[param(hidden_size, eps = rms_norm_eps, offset = 1.0)]
    norm: RmsNorm,
    #[tied(embed_tokens, when = tie_word_embeddings)]
    #[param(vocab_size, hidden_size)]
    lm_head: Linear,
}

#[mlx_model]
impl Qwen3Next {
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
