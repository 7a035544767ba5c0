//! The Llama family (Touvron et al. 2023), as the papers write it.
//!
//! Field names are the names in a Hugging Face checkpoint.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, Linear, RmsNorm, Rope};

use crate::Config;

/// Grouped-query attention with rotary positions.
#[mlx_model(config = Config, dims(q = num_attention_heads * head_dim, kv = num_key_value_heads * head_dim))]
#[require(num_attention_heads % num_key_value_heads == 0)]
pub struct Attention {
    #[weights(gguf = "attn_q")]
    #[lora]
    #[param(q, hidden_size, bias = attention_bias)]
    q_proj: Linear,
    #[weights(gguf = "attn_k")]
    #[lora]
    #[param(kv, hidden_size, bias = attention_bias)]
    k_proj: Linear,
    #[weights(gguf = "attn_v")]
    #[lora]
    #[param(kv, hidden_size, bias = attention_bias)]
    v_proj: Linear,
    #[weights(gguf = "attn_output")]
    #[lora]
    #[param(hidden_size, q, bias = attention_bias)]
    o_proj: Linear,
    #[rope(head_dim, base = rope_theta, traditional = rope_traditional, scaling = rope_scaling)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// `softmax(q k^T / sqrt(head_dim)) v`, each token looking at itself and those before.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden_size],
        cache: &mut KvCache,
    ) -> Tensor![B, L, hidden_size] {
        let q = self
            .q_proj(x)
            .reshape([B, L, num_attention_heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let k = self
            .k_proj(x)
            .reshape([B, L, num_key_value_heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let v = self
            .v_proj(x)
            .reshape([B, L, num_key_value_heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        self.o_proj(y.transpose([0, 2, 1, 3]).reshape([B, L, q]))
    }
}

/// The feed-forward part: a gated linear unit.
#[mlx_model(config = Config)]
pub struct Mlp {
    #[weights(gguf = "ffn_gate")]
    #[lora]
    #[param(intermediate_size, hidden_size, bias = mlp_bias)]
    gate_proj: Linear,
    #[weights(gguf = "ffn_up")]
    #[lora]
    #[param(intermediate_size, hidden_size, bias = mlp_bias)]
    up_proj: Linear,
    #[weights(gguf = "ffn_down")]
    #[lora]
    #[param(hidden_size, intermediate_size, bias = mlp_bias)]
    down_proj: Linear,
}

#[mlx_model]
impl Mlp {
    /// `W_down (silu(W_gate x) * W_up x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden_size]) -> Tensor![B, L, hidden_size] {
        self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
    }
}

/// One block: attention, then feed-forward, each on a normalised residual stream.
#[mlx_model(config = Config)]
pub struct Block {
    #[weights(gguf = "attn_norm")]
    #[param(hidden_size, eps = rms_norm_eps)]
    input_layernorm: RmsNorm,
    #[weights(gguf = "")]
    self_attn: Attention,
    #[weights(gguf = "ffn_norm")]
    #[param(hidden_size, eps = rms_norm_eps)]
    post_attention_layernorm: RmsNorm,
    #[weights(gguf = "")]
    mlp: Mlp,
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
        h + self.mlp(self.post_attention_layernorm(h))
    }
}

/// A whole Llama.
#[mlx_model(config = Config)]
pub struct Llama {
    #[weights("model.embed_tokens", gguf = "token_embd")]
    #[param(vocab_size, hidden_size)]
    embed_tokens: Embedding,
    #[weights("model.layers", gguf = "blk")]
    #[layers(num_hidden_layers, checkpoint = auto)]
    layers: Vec<Block>,
    #[weights("model.norm", gguf = "output_norm")]
    #[param(hidden_size, eps = rms_norm_eps)]
    norm: RmsNorm,
    #[weights(gguf = "output")]
    #[tied(embed_tokens, when = tie_word_embeddings)]
    #[param(vocab_size, hidden_size)]
    lm_head: Linear,
}

#[mlx_model]
impl Llama {
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

    /// The negative log-likelihood of each target, times its weight.
    pub fn losses(
        &self,
        tokens: Tensor![B, L; i32],
        targets: Tensor![B, L; i32],
        weights: Tensor![B, L; f32],
    ) -> Tensor![B, L; f32] {
        let h = self.hidden(tokens, KvCache::off());
        linear_cross_entropy(h, self.lm_head, targets, weights)
    }

    /// The mean over the targets that count: `sum(weights * nll) / sum(weights)`.
    pub fn loss(
        &self,
        tokens: Tensor![B, L; i32],
        targets: Tensor![B, L; i32],
        weights: Tensor![B, L; f32],
    ) -> Tensor![; f32] {
        self.losses(tokens, targets, weights).sum() / weights.sum()
    }
}
