//! The parts of [`crate::t5`]: attention, the feed-forward part, and the blocks of encoder and decoder.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm};

use crate::t5::T5Config;

/// Attention to a memory, which may be the stream itself.
#[mlx_model(config = T5Config, dims(inner = num_heads * d_kv))]
pub struct Attention {
    #[param(inner, d_model)]
    q: Linear,
    #[param(inner, d_model)]
    k: Linear,
    #[param(inner, d_model)]
    v: Linear,
    #[param(d_model, inner)]
    o: Linear,
}

#[mlx_model]
impl Attention {
    /// `softmax(q k^T + bias) v`.
    pub fn forward(
        &self,
        x: Tensor![B, L, d_model],
        memory: Tensor![B, S, d_model],
        bias: Tensor![B, num_heads, L, S],
    ) -> Tensor![B, L, d_model] {
        let q = rearrange!("b l (h d) -> b h l d", self.q(x), h = num_heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k(memory), h = num_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v(memory), h = num_heads);
        let y = scaled_dot_product_attention(q, k, v, bias, 1.0);
        self.o(rearrange!("b h l d -> b l (h d)", y))
    }

    /// The same to the stream so far.
    pub fn causal(
        &self,
        x: Tensor![B, L, d_model],
        bias: Tensor![num_heads, L, Past + L],
        cache: &mut KvCache,
    ) -> Tensor![B, L, d_model] {
        let q = rearrange!("b l (h d) -> b h l d", self.q(x), h = num_heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k(x), h = num_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v(x), h = num_heads);
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, bias, 1.0);
        self.o(rearrange!("b h l d -> b l (h d)", y))
    }

    /// The same to a memory, of which the cache keeps keys and values.
    pub fn cross(
        &self,
        x: Tensor![B, L, d_model],
        memory: Tensor![B, S, d_model],
        mask: Tensor![B, 1, 1, S],
        cache: &mut KvCache,
    ) -> Tensor![B, L, d_model] {
        let q = rearrange!("b l (h d) -> b h l d", self.q(x), h = num_heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k(memory), h = num_heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v(memory), h = num_heads);
        let (k, v) = cache.keep(k, v);
        let y = scaled_dot_product_attention(q, k, v, mask, 1.0);
        self.o(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// The feed-forward part.
#[mlx_model(config = T5Config)]
pub struct FeedForward {
    #[when(!is_gated_act)]
    #[param(d_ff, d_model)]
    wi: Option<Linear>,
    #[when(is_gated_act)]
    #[param(d_ff, d_model)]
    wi_0: Option<Linear>,
    #[when(is_gated_act)]
    #[param(d_ff, d_model)]
    wi_1: Option<Linear>,
    #[param(d_model, d_ff)]
    wo: Linear,
}

#[mlx_model]
impl FeedForward {
    /// `W_o (gelu(W_0 x) * W_1 x)`, or `W_o relu(W_i x)`.
    pub fn forward(&self, x: Tensor![B, L, d_model]) -> Tensor![B, L, d_model] {
        if config.is_gated_act {
            self.wo(gelu_approx(self.wi_0(x)) * self.wi_1(x))
        } else {
            self.wo(relu(self.wi(x)))
        }
    }
}

/// One block of the encoder.
#[mlx_model(config = T5Config)]
pub struct EncoderBlock {
    #[weights("layer.0.layer_norm")]
    #[param(d_model, eps = layer_norm_epsilon)]
    norm: RmsNorm,
    #[weights("layer.0.SelfAttention")]
    attention: Attention,
    #[weights("layer.1.layer_norm")]
    #[param(d_model, eps = layer_norm_epsilon)]
    mlp_norm: RmsNorm,
    #[weights("layer.1.DenseReluDense")]
    mlp: FeedForward,
}

#[mlx_model]
impl EncoderBlock {
    /// `h = x + attention(norm(x)); h + mlp(norm(h))`.
    pub fn forward(
        &self,
        x: Tensor![B, L, d_model],
        bias: Tensor![B, num_heads, L, L],
    ) -> Tensor![B, L, d_model] {
        let y = self.norm(x);
        let h = x + self.attention(y, y, bias);
        h + self.mlp(self.mlp_norm(h))
    }
}

/// One block of the decoder.
#[mlx_model(config = T5Config)]
pub struct DecoderBlock {
    #[weights("layer.0.layer_norm")]
    #[param(d_model, eps = layer_norm_epsilon)]
    norm: RmsNorm,
    #[weights("layer.0.SelfAttention")]
    attention: Attention,
    #[weights("layer.1.layer_norm")]
    #[param(d_model, eps = layer_norm_epsilon)]
    cross_norm: RmsNorm,
    #[weights("layer.1.EncDecAttention")]
    cross: Attention,
    #[weights("layer.2.layer_norm")]
    #[param(d_model, eps = layer_norm_epsilon)]
    mlp_norm: RmsNorm,
    #[weights("layer.2.DenseReluDense")]
    mlp: FeedForward,
}

#[mlx_model]
impl DecoderBlock {
    /// `g = x + attention(norm(x)); h = g + cross(norm(g), memory); h + mlp(norm(h))`.
    pub fn forward(
        &self,
        x: Tensor![B, L, d_model],
        memory: Tensor![B, S, d_model],
        bias: Tensor![num_heads, L, Past + L],
        mask: Tensor![B, 1, 1, S],
        cache: &mut KvCache,
    ) -> Tensor![B, L, d_model] {
        let g = x + self.attention.causal(self.norm(x), bias, cache.own);
        let y = self.cross_norm(g);
        let h = g + self.cross.cross(y, memory, mask, cache.cross);
        h + self.mlp(self.mlp_norm(h))
    }
}
