//! T5 (Raffel et al. 2020): an encoder and a decoder, whose scores have a learned bias for each distance.
//!
//! Field names are the names in a Hugging Face checkpoint.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::{Embedding, Linear, RmsNorm};
use serde::Deserialize;

use crate::t5_blocks::{DecoderBlock, EncoderBlock};

/// Sizes, named as in `config.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct T5Config {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Size of a head.
    pub d_kv: usize,
    /// Width inside the feed-forward part.
    pub d_ff: usize,
    /// Blocks of the encoder.
    pub num_layers: usize,
    /// Blocks of the decoder.
    pub num_decoder_layers: usize,
    /// Heads of the attention.
    pub num_heads: usize,
    /// Number of tokens known.
    pub vocab_size: usize,
    /// Distances that are told apart.
    pub relative_attention_num_buckets: usize,
    /// The distance from which all are alike.
    pub relative_attention_max_distance: usize,
    /// Added to the mean square in the norms.
    pub layer_norm_epsilon: f32,
    /// True if the feed-forward part is a gated linear unit (T5 1.1).
    pub is_gated_act: bool,
    /// True if the output projection shares its weight with the embedding (weight tying).
    pub tie_word_embeddings: bool,
}

/// The bucket of each distance: one for each below half of them, ever wider ones up to the farthest distance.
#[mlx_fn]
pub fn bucket(distance: Tensor![Q, K; f32], buckets: f32, farthest: f32) -> Tensor![Q, K; f32] {
    let exact = buckets / 2;
    let far = log(maximum(distance, 1) / exact) / log(full([1, 1], farthest / exact, dtype = f32));
    let far = floor(far * exact) + exact;
    where_(less(distance, exact), distance, minimum(far, buckets - 1))
}

/// A whole T5.
#[mlx_model(config = T5Config, dims(buckets = relative_attention_num_buckets))]
pub struct T5 {
    #[param(vocab_size, d_model)]
    shared: Embedding,
    #[weights("encoder.block.0.layer.0.SelfAttention.relative_attention_bias")]
    #[param(buckets, num_heads)]
    encoder_bias: Embedding,
    #[weights("encoder.block")]
    #[layers(num_layers, checkpoint = auto)]
    encoder: Vec<EncoderBlock>,
    #[weights("encoder.final_layer_norm")]
    #[param(d_model, eps = layer_norm_epsilon)]
    encoder_norm: RmsNorm,
    #[weights("decoder.block.0.layer.0.SelfAttention.relative_attention_bias")]
    #[param(buckets, num_heads)]
    decoder_bias: Embedding,
    #[weights("decoder.block")]
    #[layers(num_decoder_layers, checkpoint = auto)]
    decoder: Vec<DecoderBlock>,
    #[weights("decoder.final_layer_norm")]
    #[param(d_model, eps = layer_norm_epsilon)]
    decoder_norm: RmsNorm,
    #[tied(shared, when = tie_word_embeddings)]
    #[param(vocab_size, d_model)]
    lm_head: Linear,
}

#[mlx_model]
impl T5 {
    /// The text that the decoder reads, of tokens, and true for each that is no padding.
    pub fn encode(
        &self,
        tokens: Tensor![B, L; i32],
        mask: Tensor![B, L; bool],
    ) -> Tensor![B, L, d_model] {
        let place = arange(L, dtype = f32);
        let after = place.expand_dims(0) - place.expand_dims(1);
        let half = config.relative_attention_num_buckets / 2;
        let bucket = bucket(abs(after), half, config.relative_attention_max_distance);
        let bucket = where_(greater(after, 0), bucket + half, bucket);
        let bias = self.encoder_bias(bucket.astype(i32)).transpose([2, 0, 1]);
        let bias = where_(mask.reshape([B, 1, 1, L]), bias.expand_dims(0), -1e9);
        let mut h = self.shared(tokens);
        for layer in self.encoder {
            h = layer(h, bias);
        }
        self.encoder_norm(h)
    }

    /// The residual stream of the answers after all blocks, normalised.
    pub fn hidden(
        &self,
        memory: Tensor![B, S, d_model],
        mask: Tensor![B, S; bool],
        answers: Tensor![B, L; i32],
        cache: &mut KvCache,
    ) -> Tensor![B, L, d_model] {
        let before = maximum(-cache.distances(answers), 0).astype(f32);
        let buckets = config.relative_attention_num_buckets;
        let bucket = bucket(before, buckets, config.relative_attention_max_distance);
        let bias = self.decoder_bias(bucket.astype(i32)).transpose([2, 0, 1]);
        let bias = causal_mask(bias);
        let unseen = where_(mask.reshape([B, 1, 1, S]), zeros([1]), -1e9);
        let mut h = self.shared(answers);
        for layer in self.decoder {
            h = layer(h, memory, bias, unseen, cache);
        }
        let h = self.decoder_norm(h);
        if config.tie_word_embeddings {
            h * rsqrt(full([1], config.d_model))
        } else {
            h
        }
    }

    /// Logits of the token that follows each of the answers.
    pub fn forward(
        &self,
        tokens: Tensor![B, S; i32],
        mask: Tensor![B, S; bool],
        answers: Tensor![B, L; i32],
    ) -> Tensor![B, L, vocab_size] {
        let memory = self.encode(tokens, mask);
        self.lm_head(self.hidden(memory, mask, answers, KvCache::off()))
    }

    /// The same of answers that follow those in the cache.
    pub fn decode(
        &self,
        memory: Tensor![B, S, d_model],
        mask: Tensor![B, S; bool],
        answers: Tensor![B, L; i32],
        cache: &mut KvCache,
    ) -> Tensor![B, L, vocab_size] {
        self.lm_head(self.hidden(memory, mask, answers, cache))
    }

    /// The mean negative log-likelihood of the targets, each with its weight.
    pub fn loss(
        &self,
        tokens: Tensor![B, S; i32],
        mask: Tensor![B, S; bool],
        answers: Tensor![B, L; i32],
        targets: Tensor![B, L; i32],
        weights: Tensor![B, L; f32],
    ) -> Tensor![; f32] {
        let memory = self.encode(tokens, mask);
        let h = self.hidden(memory, mask, answers, KvCache::off());
        linear_cross_entropy(h, self.lm_head, targets, weights).sum() / weights.sum()
    }
}
