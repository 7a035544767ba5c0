//! The vision transformer (Dosovitskiy et al. 2020): a picture as a row of patches.
//!
//! Field names are the names in a Hugging Face checkpoint; the filters of the patches have MLX's
//! layout, `[out, height, width, in]`.
//!
//! Tests: `tests/vision.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv2d, LayerNorm, Linear, Param};
use serde::Deserialize;

/// Sizes, named as in `config.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct VitConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Heads of the attention.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Height and width of a picture.
    pub image_size: usize,
    /// Height and width of a patch.
    pub patch_size: usize,
    /// Colours.
    pub num_channels: usize,
    /// Classes.
    pub num_labels: usize,
    /// Added to the variance in the norms.
    pub layer_norm_eps: f32,
}

/// One block of the encoder.
#[mlx_model(config = VitConfig)]
#[require(hidden_size % num_attention_heads == 0)]
pub struct Block {
    #[param(hidden_size, eps = layer_norm_eps)]
    layernorm_before: LayerNorm,
    #[weights("attention.attention.query")]
    #[param(hidden_size, hidden_size, bias = true)]
    query: Linear,
    #[weights("attention.attention.key")]
    #[param(hidden_size, hidden_size, bias = true)]
    key: Linear,
    #[weights("attention.attention.value")]
    #[param(hidden_size, hidden_size, bias = true)]
    value: Linear,
    #[weights("attention.output.dense")]
    #[param(hidden_size, hidden_size, bias = true)]
    output: Linear,
    #[param(hidden_size, eps = layer_norm_eps)]
    layernorm_after: LayerNorm,
    #[weights("intermediate.dense")]
    #[param(intermediate_size, hidden_size, bias = true)]
    up: Linear,
    #[weights("output.dense")]
    #[param(hidden_size, intermediate_size, bias = true)]
    down: Linear,
}

#[mlx_model]
impl Block {
    /// `softmax(q k^T / sqrt(head size)) v`, each patch looking at all.
    pub fn attention(&self, x: Tensor![B, N, hidden_size]) -> Tensor![B, N, hidden_size] {
        let q = rearrange!(
            "b n (h d) -> b h n d",
            self.query(x),
            h = num_attention_heads
        );
        let k = rearrange!("b n (h d) -> b h n d", self.key(x), h = num_attention_heads);
        let v = rearrange!(
            "b n (h d) -> b h n d",
            self.value(x),
            h = num_attention_heads
        );
        let y = scaled_dot_product_attention(q, k, v);
        self.output(rearrange!("b h n d -> b n (h d)", y))
    }

    /// `h = x + attention(norm(x)); h + W_2 gelu(W_1 norm(h))`.
    pub fn forward(&self, x: Tensor![B, N, hidden_size]) -> Tensor![B, N, hidden_size] {
        let h = x + self.attention(self.layernorm_before(x));
        h + self.down(gelu(self.up(self.layernorm_after(h))))
    }
}

/// A classifier of pictures.
#[mlx_model(config = VitConfig, dims(side = image_size / patch_size))]
#[require(image_size % patch_size == 0)]
pub struct Vit {
    #[weights("vit.embeddings.patch_embeddings.projection")]
    #[param(hidden_size, patch_size, patch_size, num_channels, stride = patch_size)]
    projection: Conv2d,
    #[weights("vit.embeddings.cls_token")]
    #[param(1, 1, hidden_size)]
    cls_token: Param,
    #[weights("vit.embeddings.position_embeddings")]
    #[param(1, side * side + 1, hidden_size)]
    positions: Param,
    #[weights("vit.encoder.layer")]
    #[layers(num_hidden_layers, checkpoint = auto)]
    layers: Vec<Block>,
    #[weights("vit.layernorm")]
    #[param(hidden_size, eps = layer_norm_eps)]
    norm: LayerNorm,
    #[param(num_labels, hidden_size, bias = true)]
    classifier: Linear,
}

#[mlx_model]
impl Vit {
    /// Logits of each picture's class, read off the class token.
    pub fn forward(
        &self,
        images: Tensor![B, image_size, image_size, num_channels],
    ) -> Tensor![B, num_labels] {
        let patches = rearrange!("b h w d -> b (h w) d", self.projection(images));
        let class = self.cls_token.broadcast_to([B, 1, hidden_size]);
        let mut h = concatenate([class, patches], 1) + self.positions;
        for layer in self.layers {
            h = layer(h);
        }
        let class = self.norm(h).slice([0], [1], axes = [1]).squeeze(1);
        self.classifier(class)
    }

    /// The mean negative log-likelihood of the labels.
    pub fn loss(
        &self,
        images: Tensor![B, image_size, image_size, num_channels],
        labels: Tensor![B; i32],
    ) -> Tensor![; f32] {
        cross_entropy(self.forward(images).astype(f32), labels).mean()
    }
}
