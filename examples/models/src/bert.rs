//! BERT (Devlin et al. 2019): an encoder with norms after each sum, trained to guess masked words.
//!
//! Field names are the names in a Hugging Face checkpoint.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, LayerNorm, Linear, Param};
use serde::Deserialize;

/// Sizes, named as in `config.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct BertConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Heads of the attention.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Number of tokens known.
    pub vocab_size: usize,
    /// The longest text.
    pub max_position_embeddings: usize,
    /// Kinds of sentences in a text.
    pub type_vocab_size: usize,
    /// Added to the variance in the norms.
    pub layer_norm_eps: f32,
}

/// One block of the encoder.
#[mlx_model(config = BertConfig, dims(hidden = hidden_size, heads = num_attention_heads))]
#[require(hidden_size % num_attention_heads == 0)]
pub struct Block {
    #[weights("attention.self.query")]
    #[lora]
    #[param(hidden, hidden, bias = true)]
    query: Linear,
    #[weights("attention.self.key")]
    #[lora]
    #[param(hidden, hidden, bias = true)]
    key: Linear,
    #[weights("attention.self.value")]
    #[lora]
    #[param(hidden, hidden, bias = true)]
    value: Linear,
    #[weights("attention.output.dense")]
    #[lora]
    #[param(hidden, hidden, bias = true)]
    output: Linear,
    #[weights("attention.output.LayerNorm")]
    #[param(hidden, eps = layer_norm_eps)]
    attention_norm: LayerNorm,
    #[weights("intermediate.dense")]
    #[lora]
    #[param(intermediate_size, hidden, bias = true)]
    up: Linear,
    #[weights("output.dense")]
    #[lora]
    #[param(hidden, intermediate_size, bias = true)]
    down: Linear,
    #[weights("output.LayerNorm")]
    #[param(hidden, eps = layer_norm_eps)]
    output_norm: LayerNorm,
}

#[mlx_model]
impl Block {
    /// `h = norm(x + attention(x)); norm(h + W_2 gelu(W_1 h))`, each token looking at all that the mask lets it see.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden],
        mask: Tensor![B, 1, 1, L; bool],
    ) -> Tensor![B, L, hidden] {
        let q = rearrange!("b l (h d) -> b h l d", self.query(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.key(x), h = heads);
        let v = rearrange!("b l (h d) -> b h l d", self.value(x), h = heads);
        let y = scaled_dot_product_attention(q, k, v, mask);
        let y = self.output(rearrange!("b h l d -> b l (h d)", y));
        let h = self.attention_norm(x + y);
        self.output_norm(h + self.down(gelu(self.up(h))))
    }
}

/// A whole BERT that guesses words.
#[mlx_model(config = BertConfig, dims(hidden = hidden_size))]
pub struct Bert {
    #[weights("bert.embeddings.word_embeddings")]
    #[param(vocab_size, hidden)]
    words: Embedding,
    #[weights("bert.embeddings.position_embeddings")]
    #[param(max_position_embeddings, hidden)]
    positions: Embedding,
    #[weights("bert.embeddings.token_type_embeddings")]
    #[param(type_vocab_size, hidden)]
    types: Embedding,
    #[weights("bert.embeddings.LayerNorm")]
    #[param(hidden, eps = layer_norm_eps)]
    embedding_norm: LayerNorm,
    #[weights("bert.encoder.layer")]
    #[layers(num_hidden_layers, checkpoint = auto)]
    layers: Vec<Block>,
    #[weights("cls.predictions.transform.dense")]
    #[param(hidden, hidden, bias = true)]
    transform: Linear,
    #[weights("cls.predictions.transform.LayerNorm")]
    #[param(hidden, eps = layer_norm_eps)]
    transform_norm: LayerNorm,
    #[tied(words)]
    #[param(vocab_size, hidden)]
    decoder: Linear,
    #[weights("cls.predictions.bias")]
    #[param(vocab_size)]
    bias: Param,
}

#[mlx_model]
impl Bert {
    /// Logits of each token: of texts, the kind of sentence of each token, and true for each that is no padding.
    pub fn forward(
        &self,
        tokens: Tensor![B, L; i32],
        types: Tensor![B, L; i32],
        mask: Tensor![B, L; bool],
    ) -> Tensor![B, L, vocab_size] {
        let h = self.words(tokens) + self.types(types) + self.positions(arange(L));
        let mut h = self.embedding_norm(h);
        let mask = mask.reshape([B, 1, 1, L]);
        for layer in self.layers {
            h = layer(h, mask);
        }
        let h = self.transform_norm(gelu(self.transform(h)));
        self.decoder(h) + self.bias
    }

    /// The mean negative log-likelihood of the targets, each with its weight.
    pub fn loss(
        &self,
        tokens: Tensor![B, L; i32],
        types: Tensor![B, L; i32],
        mask: Tensor![B, L; bool],
        targets: Tensor![B, L; i32],
        weights: Tensor![B, L; f32],
    ) -> Tensor![; f32] {
        let logits = self.forward(tokens, types, mask).astype(f32);
        (cross_entropy(logits, targets) * weights).sum() / weights.sum()
    }
}
