//! The diffusion transformer (Peebles and Xie 2023): each block's norms are shifted and scaled by the time and the class
//! of the picture.
//!
//! Field names are the names in the authors' checkpoints; the filters of the patches have MLX's layout,
//! `[out, height, width, in]`.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv2d, Embedding, Linear, Param};
use serde::Deserialize;

/// Sizes, named as in the authors' code.
#[derive(Clone, Debug, Deserialize)]
pub struct DitConfig {
    /// Height and width of a picture, or of its latent.
    pub input_size: usize,
    /// Height and width of a patch.
    pub patch_size: usize,
    /// Channels of a picture.
    pub in_channels: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Heads of the attention.
    pub num_heads: usize,
    /// Classes; one more stands for no class.
    pub num_classes: usize,
    /// Sines and cosines that encode a time.
    pub frequency_embedding_size: usize,
}

/// One block, which its condition modulates and gates (adaLN-Zero).
#[mlx_model(config = DitConfig, dims(hidden = hidden_size))]
#[require(hidden_size % num_heads == 0)]
pub struct Block {
    #[weights("attn.qkv")]
    #[param(3 * hidden, hidden, bias = true)]
    qkv: Linear,
    #[weights("attn.proj")]
    #[param(hidden, hidden, bias = true)]
    proj: Linear,
    #[weights("mlp.fc1")]
    #[param(4 * hidden, hidden, bias = true)]
    fc1: Linear,
    #[weights("mlp.fc2")]
    #[param(hidden, 4 * hidden, bias = true)]
    fc2: Linear,
    #[weights("adaLN_modulation.1")]
    #[param(6 * hidden, hidden, bias = true)]
    modulation: Linear,
}

#[mlx_model]
impl Block {
    /// `softmax(q k^T / sqrt(head size)) v`, each patch looking at all.
    pub fn attention(&self, x: Tensor![B, N, hidden]) -> Tensor![B, N, hidden] {
        let (q, k, v) = self.qkv(x).split(3, -1);
        let q = rearrange!("b n (h d) -> b h n d", q, h = num_heads);
        let k = rearrange!("b n (h d) -> b h n d", k, h = num_heads);
        let v = rearrange!("b n (h d) -> b h n d", v, h = num_heads);
        let y = scaled_dot_product_attention(q, k, v);
        self.proj(rearrange!("b h n d -> b n (h d)", y))
    }

    /// `h = x + g_1 attention(m_1(norm(x))); h + g_2 mlp(m_2(norm(h)))`, where `W silu(c)` holds gates and modulations.
    pub fn forward(
        &self,
        x: Tensor![B, N, hidden],
        c: Tensor![B, hidden],
    ) -> Tensor![B, N, hidden] {
        let (shift_1, scale_1, gate_1, shift_2, scale_2, gate_2) =
            self.modulation(silu(c)).split(6, -1);
        let y = layer_norm(x, eps = 1e-6) * (scale_1.expand_dims(1) + 1.0) + shift_1.expand_dims(1);
        let h = x + gate_1.expand_dims(1) * self.attention(y);
        let y = layer_norm(h, eps = 1e-6) * (scale_2.expand_dims(1) + 1.0) + shift_2.expand_dims(1);
        h + gate_2.expand_dims(1) * self.fc2(gelu_approx(self.fc1(y)))
    }
}

/// Guesses the noise in a picture, and its spread.
#[mlx_model(config = DitConfig, dims(hidden = hidden_size, side = input_size / patch_size,
    half = frequency_embedding_size / 2))]
#[require(input_size % patch_size == 0)]
#[require(frequency_embedding_size % 2 == 0)]
pub struct Dit {
    #[weights("x_embedder.proj")]
    #[param(hidden, patch_size, patch_size, in_channels, stride = patch_size)]
    patches: Conv2d,
    #[frozen]
    #[param(1, side * side, hidden)]
    pos_embed: Param,
    #[weights("t_embedder.mlp.0")]
    #[param(hidden, frequency_embedding_size, bias = true)]
    time_in: Linear,
    #[weights("t_embedder.mlp.2")]
    #[param(hidden, hidden, bias = true)]
    time_out: Linear,
    #[weights("y_embedder.embedding_table")]
    #[param(num_classes + 1, hidden)]
    classes: Embedding,
    #[layers(depth, checkpoint = auto)]
    blocks: Vec<Block>,
    #[weights("final_layer.adaLN_modulation.1")]
    #[param(2 * hidden, hidden, bias = true)]
    modulation: Linear,
    #[weights("final_layer.linear")]
    #[param(patch_size * patch_size * 2 * in_channels, hidden, bias = true)]
    linear: Linear,
}

#[mlx_model]
impl Dit {
    /// Sines and cosines of each time.
    pub fn encoded(&self, times: Tensor![B; f32]) -> Tensor![B, frequency_embedding_size; f32] {
        // Periods from 1 to 10000, over 2 pi: the exponent is `-ln(10000) i / half`.
        let exponents = arange(half, dtype = f32) * -18.420680743952367;
        let angles = outer(times, exp(exponents / config.frequency_embedding_size));
        concatenate([cos(angles), sin(angles)], -1)
    }

    /// The noise in each picture and its spread, of pictures, their times and their classes.
    pub fn forward(
        &self,
        images: Tensor![B, input_size, input_size, in_channels],
        times: Tensor![B; f32],
        classes: Tensor![B; i32],
    ) -> Tensor![B, input_size, input_size, 2 * in_channels] {
        let times = self.encoded(times).astype(float);
        let c = self.time_out(silu(self.time_in(times))) + self.classes(classes);
        let mut h = rearrange!("b h w d -> b (h w) d", self.patches(images)) + self.pos_embed;
        for block in self.blocks {
            h = block(h, c);
        }
        let (shift, scale) = self.modulation(silu(c)).split(2, -1);
        let y = layer_norm(h, eps = 1e-6) * (scale.expand_dims(1) + 1.0) + shift.expand_dims(1);
        let y = self.linear(y);
        rearrange!(
            "b (h w) (p q c) -> b (h p) (w q) c",
            y,
            h = side,
            p = patch_size,
            q = patch_size
        )
    }

    /// The mean square between the noise and the guess.
    pub fn loss(
        &self,
        images: Tensor![B, input_size, input_size, in_channels],
        times: Tensor![B; f32],
        classes: Tensor![B; i32],
        noise: Tensor![B, input_size, input_size, in_channels],
    ) -> Tensor![; f32] {
        let (guess, _spread) = self.forward(images, times, classes).split(2, -1);
        mse_loss(guess.astype(f32), noise.astype(f32))
    }
}
