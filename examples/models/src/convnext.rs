//! A convolutional net: ConvNeXt (Liu et al. 2022) in its isotropic form, blocks of one width.
//!
//! Field names are the names in the authors' checkpoints; filters have MLX's layout,
//! `[out, height, width, in]`.
//!
//! Tests: `tests/vision.rs`.

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv2d, LayerNorm, Linear, Param};
use serde::Deserialize;

/// Sizes.
#[derive(Clone, Debug, Deserialize)]
pub struct ConvNextConfig {
    /// Channels of every block.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Height and width of a picture.
    pub image_size: usize,
    /// Height and width of a patch of the stem.
    pub patch_size: usize,
    /// Colours.
    pub num_channels: usize,
    /// Classes.
    pub num_labels: usize,
}

/// A depthwise convolution, then a feed-forward part at each place.
#[mlx_model(config = ConvNextConfig)]
pub struct Block {
    #[param(dim, 7, 7, dim, padding = 3, groups = dim)]
    dwconv: Conv2d,
    #[param(dim, eps = 1e-6)]
    norm: LayerNorm,
    #[param(4 * dim, dim, bias = true)]
    pwconv1: Linear,
    #[param(dim, 4 * dim, bias = true)]
    pwconv2: Linear,
    #[param(dim)]
    gamma: Param,
}

#[mlx_model]
impl Block {
    /// `x + gamma * W_2 gelu(W_1 norm(conv(x)))`.
    pub fn forward(&self, x: Tensor![B, H, W, dim]) -> Tensor![B, H, W, dim] {
        let y = self.pwconv1(self.norm(self.dwconv(x)));
        x + self.gamma * self.pwconv2(gelu(y))
    }
}

/// A classifier of pictures.
#[mlx_model(config = ConvNextConfig)]
#[require(image_size % patch_size == 0)]
pub struct ConvNext {
    #[param(dim, patch_size, patch_size, num_channels, stride = patch_size)]
    stem: Conv2d,
    #[layers(depth, checkpoint = auto)]
    blocks: Vec<Block>,
    #[param(dim, eps = 1e-6)]
    norm: LayerNorm,
    #[param(num_labels, dim, bias = true)]
    head: Linear,
}

#[mlx_model]
impl ConvNext {
    /// Logits of each picture's class, from the mean over all places.
    pub fn forward(
        &self,
        images: Tensor![B, image_size, image_size, num_channels],
    ) -> Tensor![B, num_labels] {
        let mut x = self.stem(images);
        for block in self.blocks {
            x = block(x);
        }
        self.head(self.norm(x.mean([1, 2])))
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
