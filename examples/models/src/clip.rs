//! CLIP (Radford et al. 2021): texts and images in one space. Both towers are stacks of one block, at two configs.
//!
//! Field names are the names in a Hugging Face checkpoint.
//!
//! Tests: `tests/architectures.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv2d, Embedding, LayerNorm, Linear, Param};
use serde::Deserialize;

/// Sizes of both towers, named as in `config.json`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)] // the names are those of the published file
pub struct ClipConfig {
    pub projection_dim: usize,
    pub text_config: TowerConfig,
    pub vision_config: TowerConfig,
}

/// Sizes of a tower; those of the other kind are 0.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)] // the names are those of the published file
pub struct TowerConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub layer_norm_eps: f32,
    #[serde(default)]
    pub vocab_size: usize,
    #[serde(default)]
    pub max_position_embeddings: usize,
    #[serde(default)]
    pub image_size: usize,
    #[serde(default)]
    pub patch_size: usize,
}

/// One block.
#[mlx_model(config = TowerConfig, dims(hidden = hidden_size, heads = num_attention_heads, ffn = intermediate_size))]
#[require(hidden_size % num_attention_heads == 0)]
pub struct Block {
    #[param(hidden, eps = layer_norm_eps)]
    layer_norm1: LayerNorm,
    #[weights("self_attn.q_proj")]
    #[param(hidden, hidden, bias = true)]
    q_proj: Linear,
    #[weights("self_attn.k_proj")]
    #[param(hidden, hidden, bias = true)]
    k_proj: Linear,
    #[weights("self_attn.v_proj")]
    #[param(hidden, hidden, bias = true)]
    v_proj: Linear,
    #[weights("self_attn.out_proj")]
    #[param(hidden, hidden, bias = true)]
    out_proj: Linear,
    #[param(hidden, eps = layer_norm_eps)]
    layer_norm2: LayerNorm,
    #[weights("mlp.fc1")]
    #[param(ffn, hidden, bias = true)]
    fc1: Linear,
    #[weights("mlp.fc2")]
    #[param(hidden, ffn, bias = true)]
    fc2: Linear,
}

#[mlx_model]
impl Block {
    /// `h = x + attention(norm(x)); h + mlp(norm(h))`; in a text each token sees those before.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.layer_norm1(x);
        let q = rearrange!("b l (h d) -> b h l d", self.q_proj(y), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.k_proj(y), h = heads);
        let v = rearrange!("b l (h d) -> b h l d", self.v_proj(y), h = heads);
        let y = if config.vocab_size > 0 {
            scaled_dot_product_attention(q, k, v, causal)
        } else {
            scaled_dot_product_attention(q, k, v)
        };
        let h = x + self.out_proj(rearrange!("b h l d -> b l (h d)", y));
        h + self.fc2(gelu_fast_approx(self.fc1(self.layer_norm2(h))))
    }
}

/// The tower of texts.
#[mlx_model(config = TowerConfig)]
pub struct TextTower {
    #[weights("embeddings.token_embedding")]
    #[param(vocab_size, hidden_size)]
    token_embedding: Embedding,
    #[weights("embeddings.position_embedding")]
    #[param(max_position_embeddings, hidden_size)]
    position_embedding: Embedding,
    #[weights("encoder.layers")]
    #[layers(num_hidden_layers)]
    layers: Vec<Block>,
    #[param(hidden_size, eps = layer_norm_eps)]
    final_layer_norm: LayerNorm,
}

#[mlx_model]
impl TextTower {
    /// The stream at the last token, which has the largest number.
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, hidden_size] {
        let mut h = self.token_embedding(tokens) + self.position_embedding(arange(L));
        for layer in self.layers {
            h = layer(h);
        }
        let at = broadcast_to(argmax(tokens, 1).expand_dims([1, 2]), [B, 1, hidden_size]);
        take_along_axis(self.final_layer_norm(h), at, 1).squeeze(1)
    }
}

/// The tower of images.
#[mlx_model(config = TowerConfig, dims(side = image_size / patch_size))]
#[require(image_size % patch_size == 0)]
pub struct VisionTower {
    #[weights("embeddings.class_embedding")]
    #[param(hidden_size)]
    class_embedding: Param,
    #[weights("embeddings.patch_embedding", channels_first)]
    #[param(hidden_size, patch_size, patch_size, 3, stride = patch_size, bias = false)]
    patch_embedding: Conv2d,
    #[weights("embeddings.position_embedding.weight")]
    #[param(side * side + 1, hidden_size)]
    position_embedding: Param,
    #[param(hidden_size, eps = layer_norm_eps)]
    pre_layrnorm: LayerNorm,
    #[weights("encoder.layers")]
    #[layers(num_hidden_layers)]
    layers: Vec<Block>,
    #[param(hidden_size, eps = layer_norm_eps)]
    post_layernorm: LayerNorm,
}

#[mlx_model]
impl VisionTower {
    /// The stream at the place of no patch.
    pub fn forward(
        &self,
        images: Tensor![B, image_size, image_size, 3],
    ) -> Tensor![B, hidden_size] {
        let patches = self
            .patch_embedding(images)
            .reshape([B, side * side, hidden_size]);
        let class = broadcast_to(self.class_embedding, [B, 1, hidden_size]);
        let h = concatenate([class, patches], 1) + self.position_embedding;
        let mut h = self.pre_layrnorm(h);
        for layer in self.layers {
            h = layer(h);
        }
        let (class, _) = h.split([1, side * side], 1);
        self.post_layernorm(class.squeeze(1))
    }
}

/// A whole CLIP.
#[mlx_model(config = ClipConfig)]
pub struct Clip {
    #[config(text_config)]
    text_model: TextTower,
    #[config(vision_config)]
    vision_model: VisionTower,
    #[param(projection_dim, text_config.hidden_size)]
    text_projection: Linear,
    #[param(projection_dim, vision_config.hidden_size)]
    visual_projection: Linear,
    #[param()]
    logit_scale: Param,
}

#[mlx_model]
impl Clip {
    /// The likeness of each text and each image.
    pub fn forward(
        &self,
        tokens: Tensor![T, L; i32],
        images: Tensor![N, vision_config.image_size, vision_config.image_size, 3],
    ) -> Tensor![T, N] {
        let texts: Tensor![T, text_config.hidden_size] = self.text_model(tokens);
        let seen: Tensor![N, vision_config.hidden_size] = self.vision_model(images);
        let (t, s) = (self.text_projection(texts), self.visual_projection(seen));
        let t = t * rsqrt(square(t).sum(-1, keepdims));
        let s = s * rsqrt(square(s).sum(-1, keepdims));
        matmul(t, transpose(s)) * exp(self.logit_scale)
    }

    /// The mean negative log-likelihood of pairs that belong together, both ways.
    pub fn loss(
        &self,
        tokens: Tensor![B, L; i32],
        images: Tensor![B, vision_config.image_size, vision_config.image_size, 3],
    ) -> Tensor![; f32] {
        let logits = self.forward(tokens, images).astype(f32);
        let texts = cross_entropy(logits, arange(B), reduction = "mean");
        (texts + cross_entropy(transpose(logits), arange(B), reduction = "mean")) / 2.0
    }
}
