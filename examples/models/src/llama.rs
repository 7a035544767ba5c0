//! The Llama family (Touvron et al. 2023), as the papers write it.
//!
//! Field names are the names in a Hugging Face checkpoint.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, Linear, RmsNorm, Rope};

use crate::Config;

/// Grouped-query attention with rotary positions.
#[mlx_model(config = Config, dims(hidden = hidden_size, heads = num_attention_heads,
    kv_heads = num_key_value_heads, q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(num_attention_heads % num_key_value_heads == 0)]
pub struct Attention {
    #[weights(gguf = "attn_q")]
    #[lora]
    #[param(q, hidden, bias = attention_bias)]
    q_proj: Linear,
    #[weights(gguf = "attn_k")]
    #[lora]
    #[param(kv, hidden, bias = attention_bias)]
    k_proj: Linear,
    #[weights(gguf = "attn_v")]
    #[lora]
    #[param(kv, hidden, bias = attention_bias)]
    v_proj: Linear,
    #[weights(gguf = "attn_output")]
    #[lora]
    #[param(hidden, q, bias = attention_bias)]
    o_proj: Linear,
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
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        self.o_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// The feed-forward part: a gated linear unit.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Mlp {
    #[weights(gguf = "ffn_gate")]
    #[lora]
    #[param(intermediate_size, hidden, bias = mlp_bias)]
    gate_proj: Linear,
    #[weights(gguf = "ffn_up")]
    #[lora]
    #[param(intermediate_size, hidden, bias = mlp_bias)]
    up_proj: Linear,
    #[weights(gguf = "ffn_down")]
    #[lora]
    #[param(hidden, intermediate_size, bias = mlp_bias)]
    down_proj: Linear,
}

#[mlx_model]
impl Mlp {
    /// `W_down (silu(W_gate x) * W_up x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
    }
}

/// One block: attention, then feed-forward, each on a normalised residual stream.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Block {
    #[weights(gguf = "attn_norm")]
    #[param(hidden, eps = rms_norm_eps)]
    input_layernorm: RmsNorm,
    #[weights(gguf = "")]
    self_attn: Attention,
    #[weights(gguf = "ffn_norm")]
    #[param(hidden, eps = rms_norm_eps)]
    post_attention_layernorm: RmsNorm,
    #[weights(gguf = "")]
    mlp: Mlp,
}

#[mlx_model]
impl Block {
    /// `h = x + attention(norm(x)); h + mlp(norm(h))`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let h = x + self.self_attn(self.input_layernorm(x), cache);
        h + self.mlp(self.post_attention_layernorm(h))
    }
}

/// A whole Llama. It is checked against the names and shapes of SmolLM2-135M, a small one.
#[mlx_model(config = Config, dims(hidden = hidden_size, vocab = vocab_size),
    digest = "digests/smollm2-135m-instruct.txt")]
pub struct Llama {
    #[weights("model.embed_tokens", gguf = "token_embd")]
    #[param(vocab, hidden)]
    embed_tokens: Embedding,
    #[weights("model.layers", gguf = "blk")]
    #[layers(num_hidden_layers, checkpoint = auto)]
    layers: Vec<Block>,
    #[weights("model.norm", gguf = "output_norm")]
    #[param(hidden, eps = rms_norm_eps)]
    norm: RmsNorm,
    #[weights(gguf = "output")]
    #[tied(embed_tokens, when = tie_word_embeddings)]
    #[param(vocab, hidden)]
    lm_head: Linear,
}

#[mlx_model]
impl Llama {
    /// The residual stream after all blocks, normalised.
    pub fn hidden(&self, tokens: Tensor![B, L; i32], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let mut h = self.embed_tokens(tokens);
        for layer in self.layers {
            h = layer(h, cache);
        }
        self.norm(h)
    }

    /// Logits of the token that follows each.
    pub fn forward(&self, tokens: Tensor![B, L; i32], cache: &mut KvCache) -> Tensor![B, L, vocab] {
        self.lm_head(self.hidden(tokens, cache))
    }

    /// The negative log-likelihood of each target, times its weight.
    pub fn losses(
        &self,
        tokens: Tensor![B, L; i32],
        targets: Tensor![B, L; i32],
        weights: Tensor![B, L; f32],
    ) -> Tensor![B, L; f32] {
        linear_cross_entropy(
            self.hidden(tokens, KvCache::off()),
            self.lm_head,
            targets,
            weights,
        )
    }
}
