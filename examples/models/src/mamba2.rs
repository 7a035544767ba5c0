//! Mamba 2 (Dao and Gu 2024): a state that each token fades and adds to, computed for a whole text at once as the
//! attention that it is equal to, and carried from one part of a text to the next.
//!
//! Field names are the names in a Hugging Face checkpoint; the filters have MLX's layout, `[out, kernel, 1]`.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv1d, Embedding, Linear, Param, RmsNorm};
use serde::Deserialize;

/// Sizes, named as in `config.json`, but for the limits of a step, which are a pair there.
#[derive(Clone, Debug, Deserialize)]
pub struct Mamba2Config {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Heads of the state.
    pub num_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Groups of heads that share what writes to the state and reads it.
    pub n_groups: usize,
    /// Size of the state of each value.
    pub state_size: usize,
    /// Tokens that the convolution sees.
    pub conv_kernel: usize,
    /// Number of tokens known.
    pub vocab_size: usize,
    /// Added to the mean square in the norms.
    pub layer_norm_epsilon: f32,
    /// The shortest time that a token takes.
    pub time_step_least: f32,
    /// The longest time that a token takes.
    pub time_step_most: f32,
    /// True if the projections have biases.
    pub use_bias: bool,
    /// True if the convolution has a bias.
    pub use_conv_bias: bool,
    /// True if the output projection shares its weight with the embedding (weight tying).
    pub tie_word_embeddings: bool,
}

/// A state-space layer (SSD).
#[mlx_model(config = Mamba2Config, dims(inner = num_heads * head_dim, states = n_groups * state_size,
    group = num_heads / n_groups, conv = inner + 2 * states, before = conv_kernel - 1))]
#[require(num_heads % n_groups == 0)]
#[require(conv_kernel > 1)]
pub struct Mixer {
    #[lora]
    #[param(inner + conv + num_heads, hidden_size, bias = use_bias)]
    in_proj: Linear,
    #[param(conv, conv_kernel, conv, groups = conv, bias = use_conv_bias)]
    conv1d: Conv1d,
    #[param(num_heads)]
    dt_bias: Param,
    #[weights("A_log")]
    #[param(num_heads)]
    a_log: Param,
    #[weights("D")]
    #[param(num_heads)]
    d: Param,
    #[param(inner, eps = layer_norm_epsilon)]
    norm: RmsNorm,
    #[lora]
    #[param(hidden_size, inner, bias = use_bias)]
    out_proj: Linear,
}

#[mlx_model]
impl Mixer {
    /// `y_l = sum_s exp(a_l + .. + a_(s+1)) (c_l . b_s) dt_s x_s + d x_l` for all `s <= l`, with `a = -dt exp(A_log)`,
    /// and the state `sum_s exp(a_L + .. + a_(s+1)) b_s dt_s x_s` after the last token.
    pub fn scan(
        &self,
        x: Tensor![B, L, inner],
        b: Tensor![B, L, states],
        c: Tensor![B, L, states],
        dt: Tensor![B, L, num_heads],
        h: Tensor![B, n_groups, group, state_size, head_dim; f32],
    ) -> (
        Tensor![B, L, inner],
        Tensor![B, n_groups, group, state_size, head_dim; f32],
    ) {
        let dt = softplus((dt + self.dt_bias).astype(f32));
        let dt = clip(dt, config.time_step_least, config.time_step_most);
        let dt = rearrange!("b l (g r) -> b g r l", dt, r = group);
        let a = -exp(self.a_log.astype(f32)).reshape([n_groups, group, 1]);
        let total = cumsum(dt * a, -1);
        let whole = sum(dt * a, -1, keepdims);
        let fading = exp(tril(total.expand_dims(-1) - total.expand_dims(-2)));
        let b = rearrange!("b s (g n) -> b g 1 n s", b.astype(f32), g = n_groups);
        let c = rearrange!("b l (g n) -> b g 1 l n", c.astype(f32), g = n_groups);
        let scores = tril(matmul(c, b) * fading);
        let x = x.astype(f32);
        let x = rearrange!("b l (g r p) -> b g r l p", x, g = n_groups, r = group);
        let given = x * dt.expand_dims(-1);
        let y = matmul(scores, given) + matmul(c, h) * exp(total).expand_dims(-1);
        let y = y + x * self.d.astype(f32).reshape([n_groups, group, 1, 1]);
        let left = matmul(b, given * exp(whole - total).expand_dims(-1));
        let h = h * exp(whole).expand_dims(-1) + left;
        (rearrange!("b g r l p -> b l (g r p)", y).astype(float), h)
    }

    /// `W_out norm(scan(silu(conv(W_in x))) * silu(gate))`.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden_size],
        cache: &mut State![
                 x: [B, before, conv],
                 h: [B, n_groups, group, state_size, head_dim; f32],
             ],
    ) -> Tensor![B, L, hidden_size] {
        let (gate, x, dt) = self.in_proj(x).split([inner, conv, num_heads], -1);
        let x = concatenate([cache.x, x], 1);
        let (_, last) = x.split([L, before], 1);
        cache.x = last;
        let (x, b, c) = silu(self.conv1d(x)).split([inner, states, states], -1);
        let (y, h) = self.scan(x, b, c, dt, cache.h);
        cache.h = h;
        self.out_proj(self.norm(silu(gate) * y))
    }
}

/// One block.
#[mlx_model(config = Mamba2Config)]
pub struct Block {
    #[param(hidden_size, eps = layer_norm_epsilon)]
    norm: RmsNorm,
    mixer: Mixer,
}

#[mlx_model]
impl Block {
    /// `x + mixer(norm(x))`.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden_size],
        cache: &mut KvCache,
    ) -> Tensor![B, L, hidden_size] {
        x + self.mixer(self.norm(x), cache)
    }
}

/// A whole Mamba 2.
#[mlx_model(config = Mamba2Config)]
pub struct Mamba2 {
    #[weights("backbone.embeddings")]
    #[param(vocab_size, hidden_size)]
    embeddings: Embedding,
    #[weights("backbone.layers")]
    #[layers(num_hidden_layers, checkpoint = auto)]
    layers: Vec<Block>,
    #[weights("backbone.norm_f")]
    #[param(hidden_size, eps = layer_norm_epsilon)]
    norm_f: RmsNorm,
    #[tied(embeddings, when = tie_word_embeddings)]
    #[param(vocab_size, hidden_size)]
    lm_head: Linear,
}

#[mlx_model]
impl Mamba2 {
    /// The residual stream after all blocks, normalised.
    pub fn hidden(
        &self,
        tokens: Tensor![B, L; i32],
        cache: &mut KvCache,
    ) -> Tensor![B, L, hidden_size] {
        let mut h = self.embeddings(tokens);
        for layer in self.layers {
            h = layer(h, cache);
        }
        self.norm_f(h)
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
