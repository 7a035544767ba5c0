//! The model that Gemma 2 and 3 share: a scaled embedding, GeGLU, norms before and after each part, soft-capped logits.
//! They differ in the attention, which is a type parameter here.
//!
//! Field names are the names in a Hugging Face checkpoint, which stores the norms' weights less one.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::model::Model;
use mlx_runtime::nn::{Embedding, Linear, RmsNorm};

use crate::Config;

/// The feed-forward part: a gated linear unit (Shazeer 2020).
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Mlp {
    #[lora]
    #[param(intermediate_size, hidden)]
    gate_proj: Linear,
    #[lora]
    #[param(intermediate_size, hidden)]
    up_proj: Linear,
    #[lora]
    #[param(hidden, intermediate_size)]
    down_proj: Linear,
}

#[mlx_model]
impl Mlp {
    /// `W_down (gelu(W_gate x) * W_up x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.down_proj(gelu_approx(self.gate_proj(x)) * self.up_proj(x))
    }
}

/// One block: attention, then feed-forward, each between two norms.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Block<A: Model<Config = Config>> {
    #[param(hidden, eps = rms_norm_eps, offset = 1.0)]
    input_layernorm: RmsNorm,
    self_attn: A,
    #[param(hidden, eps = rms_norm_eps, offset = 1.0)]
    post_attention_layernorm: RmsNorm,
    #[param(hidden, eps = rms_norm_eps, offset = 1.0)]
    pre_feedforward_layernorm: RmsNorm,
    mlp: Mlp,
    #[param(hidden, eps = rms_norm_eps, offset = 1.0)]
    post_feedforward_layernorm: RmsNorm,
}

#[mlx_model]
impl<A: Model<Config = Config>> Block<A> {
    /// `h = x + norm(attention(norm(x))); h + norm(mlp(norm(h)))`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let y = self.self_attn(self.input_layernorm(x), cache);
        let h = x + self.post_attention_layernorm(y);
        let y = self.mlp(self.pre_feedforward_layernorm(h));
        h + self.post_feedforward_layernorm(y)
    }
}

/// A whole Gemma.
#[mlx_model(config = Config, dims(hidden = hidden_size, vocab = vocab_size))]
pub struct Gemma<A: Model<Config = Config>> {
    #[weights("model.embed_tokens")]
    #[param(vocab, hidden)]
    embed_tokens: Embedding,
    #[weights("model.layers")]
    #[layers(num_hidden_layers, checkpoint = auto)]
    layers: Vec<Block<A>>,
    #[weights("model.norm")]
    #[param(hidden, eps = rms_norm_eps, offset = 1.0)]
    norm: RmsNorm,
    #[tied(embed_tokens, when = tie_word_embeddings)]
    #[param(vocab, hidden)]
    lm_head: Linear,
}

#[mlx_model]
impl<A: Model<Config = Config>> Gemma<A> {
    /// The residual stream after all blocks, normalised.
    pub fn hidden(&self, tokens: Tensor![B, L; i32], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let mut h = self.embed_tokens(tokens) * config.embedding_scale;
        for layer in self.layers {
            h = layer(h, cache);
        }
        self.norm(h)
    }

    /// Logits of the token that follows each, kept below the cap if there is one.
    pub fn forward(&self, tokens: Tensor![B, L; i32], cache: &mut KvCache) -> Tensor![B, L, vocab] {
        let logits = self.lm_head(self.hidden(tokens, cache));
        if config.final_logit_softcapping.is_some() {
            tanh(logits / config.final_logit_softcapping) * config.final_logit_softcapping
        } else {
            logits
        }
    }

    /// The negative log-likelihood of each target, times its weight.
    pub fn losses(
        &self,
        tokens: Tensor![B, L; i32],
        targets: Tensor![B, L; i32],
        weights: Tensor![B, L; f32],
    ) -> Tensor![B, L; f32] {
        if config.final_logit_softcapping.is_some() {
            let logits = self.lm_head(self.hidden(tokens, KvCache::off()));
            let capped =
                tanh(logits / config.final_logit_softcapping) * config.final_logit_softcapping;
            cross_entropy(capped, targets) * weights
        } else {
            let h = self.hidden(tokens, KvCache::off());
            linear_cross_entropy(h, self.lm_head, targets, weights)
        }
    }
}
