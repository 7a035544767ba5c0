//! Whisper (Radford et al. 2022): text of sounds. The decoder keeps its own keys and values, and those of the sounds,
//! which it computes once.
//!
//! Field names are the names in a Hugging Face checkpoint.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv1d, Embedding, LayerNorm, Linear, Param};
use serde::Deserialize;

/// Sizes, named as in `config.json`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)] // the names are those of the published file
pub struct WhisperConfig {
    pub d_model: usize,
    pub encoder_layers: usize,
    pub decoder_layers: usize,
    pub encoder_attention_heads: usize,
    pub decoder_attention_heads: usize,
    pub encoder_ffn_dim: usize,
    pub decoder_ffn_dim: usize,
    pub num_mel_bins: usize,
    pub max_source_positions: usize,
    pub max_target_positions: usize,
    pub vocab_size: usize,
}

/// Attention, of the encoder's heads unless its place says otherwise.
#[mlx_model(config = WhisperConfig, dims(width = d_model, heads = encoder_attention_heads))]
#[require(d_model % encoder_attention_heads == 0)]
pub struct Attention {
    #[param(width, width, bias = true)]
    q_proj: Linear,
    #[param(width, width)]
    k_proj: Linear,
    #[param(width, width, bias = true)]
    v_proj: Linear,
    #[param(width, width, bias = true)]
    out_proj: Linear,
}

#[mlx_model]
impl Attention {
    /// To all of the sounds.
    pub fn forward(&self, x: Tensor![B, L, width]) -> Tensor![B, L, width] {
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(x), h = heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = heads);
        self.joined(scaled_dot_product_attention(q, k, v))
    }

    /// To the text so far.
    pub fn causal(&self, x: Tensor![B, L, width], cache: &mut KvCache) -> Tensor![B, L, width] {
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(x), h = heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(x), h = heads);
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        self.joined(y)
    }

    /// To what was heard.
    pub fn cross(
        &self,
        x: Tensor![B, L, width],
        heard: Tensor![B, S, width],
        cache: &mut KvCache,
    ) -> Tensor![B, L, width] {
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(heard), h = heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(heard), h = heads);
        let (k, v) = cache.keep(k, v);
        self.joined(scaled_dot_product_attention(q, k, v))
    }

    fn joined(&self, y: Tensor![B, heads, L, width / heads]) -> Tensor![B, L, width] {
        self.out_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// One block of the encoder.
#[mlx_model(config = WhisperConfig)]
pub struct EncoderBlock {
    #[param(d_model)]
    self_attn_layer_norm: LayerNorm,
    self_attn: Attention,
    #[param(d_model)]
    final_layer_norm: LayerNorm,
    #[param(encoder_ffn_dim, d_model, bias = true)]
    fc1: Linear,
    #[param(d_model, encoder_ffn_dim, bias = true)]
    fc2: Linear,
}

#[mlx_model]
impl EncoderBlock {
    /// `h = x + attention(norm(x)); h + mlp(norm(h))`.
    pub fn forward(&self, x: Tensor![B, L, d_model]) -> Tensor![B, L, d_model] {
        let h = x + self.self_attn(self.self_attn_layer_norm(x));
        h + self.fc2(gelu(self.fc1(self.final_layer_norm(h))))
    }
}

/// One block of the decoder.
#[mlx_model(config = WhisperConfig)]
pub struct DecoderBlock {
    #[param(d_model)]
    self_attn_layer_norm: LayerNorm,
    #[config(encoder_attention_heads = decoder_attention_heads)]
    self_attn: Attention,
    #[param(d_model)]
    encoder_attn_layer_norm: LayerNorm,
    #[config(encoder_attention_heads = decoder_attention_heads)]
    encoder_attn: Attention,
    #[param(d_model)]
    final_layer_norm: LayerNorm,
    #[param(decoder_ffn_dim, d_model, bias = true)]
    fc1: Linear,
    #[param(d_model, decoder_ffn_dim, bias = true)]
    fc2: Linear,
}

#[mlx_model]
impl DecoderBlock {
    /// `g = x + causal(norm(x)); h = g + cross(norm(g), heard); h + mlp(norm(h))`.
    pub fn forward(
        &self,
        x: Tensor![B, L, d_model],
        heard: Tensor![B, S, d_model],
        cache: &mut KvCache,
    ) -> Tensor![B, L, d_model] {
        let g = x + self
            .self_attn
            .causal(self.self_attn_layer_norm(x), cache.own);
        let y = self.encoder_attn_layer_norm(g);
        let h = g + self.encoder_attn.cross(y, heard, cache.cross);
        h + self.fc2(gelu(self.fc1(self.final_layer_norm(h))))
    }
}

/// A whole Whisper.
#[mlx_model(config = WhisperConfig)]
pub struct Whisper {
    #[weights("model.encoder.conv1", channels_first)]
    #[param(d_model, 3, num_mel_bins, padding = 1)]
    conv1: Conv1d,
    #[weights("model.encoder.conv2", channels_first)]
    #[param(d_model, 3, d_model, stride = 2, padding = 1)]
    conv2: Conv1d,
    #[frozen]
    #[weights("model.encoder.embed_positions.weight")]
    #[param(max_source_positions, d_model)]
    places: Param,
    #[weights("model.encoder.layers")]
    #[layers(encoder_layers)]
    encoder: Vec<EncoderBlock>,
    #[weights("model.encoder.layer_norm")]
    #[param(d_model)]
    encoder_norm: LayerNorm,
    #[weights("model.decoder.embed_tokens")]
    #[param(vocab_size, d_model)]
    embed_tokens: Embedding,
    #[weights("model.decoder.embed_positions")]
    #[param(max_target_positions, d_model)]
    embed_positions: Embedding,
    #[weights("model.decoder.layers")]
    #[layers(decoder_layers)]
    decoder: Vec<DecoderBlock>,
    #[weights("model.decoder.layer_norm")]
    #[param(d_model)]
    decoder_norm: LayerNorm,
    #[tied(embed_tokens)]
    #[param(vocab_size, d_model)]
    proj_out: Linear,
}

#[mlx_model]
impl Whisper {
    /// The features of a spectrum of sounds.
    pub fn encode(
        &self,
        sounds: Tensor![B, 2 * max_source_positions, num_mel_bins],
    ) -> Tensor![B, max_source_positions, d_model] {
        let mut h = gelu(self.conv2(gelu(self.conv1(sounds)))) + self.places;
        for layer in self.encoder {
            h = layer(h);
        }
        self.encoder_norm(h)
    }

    /// The residual stream of the text after all blocks, normalised.
    pub fn hidden(
        &self,
        heard: Tensor![B, S, d_model],
        tokens: Tensor![B, L; i32],
        cache: &mut KvCache,
    ) -> Tensor![B, L, d_model] {
        let mut h = self.embed_tokens(tokens) + self.embed_positions(cache.positions(tokens));
        for layer in self.decoder {
            h = layer(h, heard, cache);
        }
        self.decoder_norm(h)
    }

    /// Logits of the token that follows each of the text.
    pub fn forward(
        &self,
        heard: Tensor![B, S, d_model],
        tokens: Tensor![B, L; i32],
        cache: &mut KvCache,
    ) -> Tensor![B, L, vocab_size] {
        self.proj_out(self.hidden(heard, tokens, cache))
    }

    /// The mean negative log-likelihood of the targets, each with its weight.
    pub fn loss(
        &self,
        sounds: Tensor![B, 2 * max_source_positions, num_mel_bins],
        tokens: Tensor![B, L; i32],
        targets: Tensor![B, L; i32],
        weights: Tensor![B, L; f32],
    ) -> Tensor![; f32] {
        let h = self.hidden(self.encode(sounds), tokens, KvCache::off());
        linear_cross_entropy(h, self.proj_out, targets, weights).sum() / weights.sum()
    }
}
