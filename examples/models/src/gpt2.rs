//! GPT-2 (Radford et al. 2019): learned positions, layer norms, a feed-forward part without gate.
//!
//! Field names are the names in a Hugging Face checkpoint, which stores its matrices `[in, out]`.
//!
//! Tests: `tests/language.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, LayerNorm, Linear};

use crate::Config;

/// Attention; one matrix makes queries, keys and values.
#[mlx_model(config = Config, dims(hidden = hidden_size, heads = num_attention_heads))]
#[require(hidden_size % num_attention_heads == 0)]
pub struct Attention {
    #[lora]
    #[weights("c_attn", transposed)]
    #[param(3 * hidden, hidden, bias = true)]
    c_attn: Linear,
    #[lora]
    #[weights("c_proj", transposed)]
    #[param(hidden, hidden, bias = true)]
    c_proj: Linear,
}

#[mlx_model]
impl Attention {
    /// `softmax(q k^T / sqrt(head_dim)) v`, each token looking at itself and those before.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let (q, k, v) = self.c_attn(x).split(3, -1);
        let q = rearrange!("b l (h d) -> b h l d", q, h = heads);
        let k = rearrange!("b l (h d) -> b h l d", k, h = heads);
        let v = rearrange!("b l (h d) -> b h l d", v, h = heads);
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        self.c_proj(rearrange!("b h l d -> b l (h d)", y))
    }
}

/// The feed-forward part.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Mlp {
    #[lora]
    #[weights("c_fc", transposed)]
    #[param(intermediate_size, hidden, bias = true)]
    c_fc: Linear,
    #[lora]
    #[weights("c_proj", transposed)]
    #[param(hidden, intermediate_size, bias = true)]
    c_proj: Linear,
}

#[mlx_model]
impl Mlp {
    /// `W_2 gelu(W_1 x)`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.c_proj(gelu_approx(self.c_fc(x)))
    }
}

/// One block: attention, then feed-forward, each on a normalised residual stream.
#[mlx_model(config = Config, dims(hidden = hidden_size))]
pub struct Block {
    #[param(hidden, eps = rms_norm_eps)]
    ln_1: LayerNorm,
    attn: Attention,
    #[param(hidden, eps = rms_norm_eps)]
    ln_2: LayerNorm,
    mlp: Mlp,
}

#[mlx_model]
impl Block {
    /// `h = x + attention(norm(x)); h + mlp(norm(h))`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let h = x + self.attn(self.ln_1(x), cache);
        h + self.mlp(self.ln_2(h))
    }
}

/// A whole GPT-2.
#[mlx_model(config = Config, dims(hidden = hidden_size, vocab = vocab_size))]
pub struct Gpt2 {
    #[weights("wte" | "transformer.wte")]
    #[param(vocab, hidden)]
    wte: Embedding,
    #[weights("wpe" | "transformer.wpe")]
    #[param(max_position_embeddings, hidden)]
    wpe: Embedding,
    #[weights("h" | "transformer.h")]
    #[layers(num_hidden_layers, checkpoint = auto)]
    h: Vec<Block>,
    #[weights("ln_f" | "transformer.ln_f")]
    #[param(hidden, eps = rms_norm_eps)]
    ln_f: LayerNorm,
    #[tied(wte)]
    #[param(vocab, hidden)]
    lm_head: Linear,
}

#[mlx_model]
impl Gpt2 {
    /// The residual stream after all blocks, normalised.
    pub fn hidden(&self, tokens: Tensor![B, L; i32], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let mut h = self.wte(tokens) + self.wpe(positions(cache, tokens));
        for layer in self.h {
            h = layer(h, cache);
        }
        self.ln_f(h)
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
