//! The decoder that most families share: a stack of blocks between an embedding and an output projection. The families
//! differ in the attention and in the feed-forward part, which are type parameters here.
//!
//! Field names are the names in a Hugging Face checkpoint.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::model::Model;
use mlx_runtime::nn::{Embedding, Linear, RmsNorm};

use crate::Config;

/// One block: attention, then feed-forward, each on a normalised residual stream (Xiong et al. 2020).
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Block<A: Model<Config = Config>, F: Model<Config = Config>> {
    #[param(hidden, eps = rms_norm_eps)]
    input_layernorm: RmsNorm,
    self_attn: A,
    #[param(hidden, eps = rms_norm_eps)]
    post_attention_layernorm: RmsNorm,
    mlp: F,
}

#[mlx_model]
impl<A: Model<Config = Config>, F: Model<Config = Config>> Block<A, F> {
    /// `h = x + attention(norm(x)); h + mlp(norm(h))`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let h = x + self.self_attn(self.input_layernorm(x), cache);
        h + self.mlp(self.post_attention_layernorm(h))
    }
}

/// A language model of blocks `B` (Radford et al. 2018).
#[mlx_model(config = Config, dims(hidden = hidden_size, vocab = vocab_size))]
pub struct Decoder<B: Model<Config = Config>> {
    #[weights("model.embed_tokens")]
    #[param(vocab, hidden)]
    embed_tokens: Embedding,
    #[weights("model.layers")]
    #[layers(num_hidden_layers, checkpoint = auto)]
    layers: Vec<B>,
    #[weights("model.norm")]
    #[param(hidden, eps = rms_norm_eps)]
    norm: RmsNorm,
    #[tied(embed_tokens, when = tie_word_embeddings)]
    #[param(vocab, hidden)]
    lm_head: Linear,
}

#[mlx_model]
impl<B: Model<Config = Config>> Decoder<B> {
    /// The residual stream after all blocks, normalised.
    pub fn hidden(&self, tokens: Tensor![N, L; i32], cache: &mut KvCache) -> Tensor![N, L, hidden] {
        let mut h = self.embed_tokens(tokens);
        for layer in self.layers {
            h = layer(h, cache);
        }
        self.norm(h)
    }

    /// Logits of the token that follows each.
    pub fn forward(&self, tokens: Tensor![N, L; i32], cache: &mut KvCache) -> Tensor![N, L, vocab] {
        self.lm_head(self.hidden(tokens, cache))
    }

    /// The negative log-likelihood of each target, times its weight.
    pub fn losses(
        &self,
        tokens: Tensor![N, L; i32],
        targets: Tensor![N, L; i32],
        weights: Tensor![N, L; f32],
    ) -> Tensor![N, L; f32] {
        linear_cross_entropy(
            self.hidden(tokens, KvCache::off()),
            self.lm_head,
            targets,
            weights,
        )
    }
}
