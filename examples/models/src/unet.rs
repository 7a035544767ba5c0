//! A small U-Net (Ronneberger et al. 2015): pictures become small and many, then large again, beside what they were.
//!
//! Tests: `tests/vision.rs`.

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::{Conv2d, GroupNorm, Param};
use serde::Deserialize;

/// Sizes.
#[derive(Clone, Debug, Deserialize)]
pub struct UnetConfig {
    /// Height and width of a picture.
    pub side: usize,
    /// Channels of a picture.
    pub colors: usize,
    /// Channels of the largest level.
    pub width: usize,
    /// Groups of the norms and of the grouped convolution.
    pub groups: usize,
    /// Channels that a part reads.
    pub inputs: usize,
    /// Channels that a part makes.
    pub outputs: usize,
}

/// Elements are dropped with probability `p`, and the others grow.
#[mlx_fn]
pub fn dropout(x: Tensor![B, H, W, C], key: Tensor![2; u32], p: f32) -> Tensor![B, H, W, C] {
    let keep = random::bernoulli(1.0 - p, [B, H, W, C], key);
    where_(keep, x / (1.0 - p), 0.0)
}

/// A norm over the batch, with statistics that are loaded.
#[mlx_model(config = UnetConfig)]
pub struct BatchNorm {
    #[param(outputs)]
    weight: Param,
    #[param(outputs)]
    bias: Param,
    #[frozen]
    #[param(outputs)]
    running_mean: Param,
    #[frozen]
    #[param(outputs)]
    running_var: Param,
}

#[mlx_model]
impl BatchNorm {
    /// By the statistics so far.
    pub fn forward(&self, x: Tensor![B, H, W, outputs]) -> Tensor![B, H, W, outputs] {
        (x - self.running_mean) * rsqrt(self.running_var + 1e-5) * self.weight + self.bias
    }

    /// By the statistics of the batch, with those that are kept from it.
    pub fn batch(
        &self,
        x: Tensor![B, H, W, outputs],
        momentum: f32,
    ) -> (
        Tensor![B, H, W, outputs],
        Tensor![outputs],
        Tensor![outputs],
    ) {
        let (mean, var) = (x.mean([0, 1, 2]), x.var([0, 1, 2]));
        let y = (x - mean) * rsqrt(var + 1e-5) * self.weight + self.bias;
        let mean = self.running_mean * (1.0 - momentum) + mean * momentum;
        let var = x.var([0, 1, 2], ddof = 1) * momentum + self.running_var * (1.0 - momentum);
        (y, mean, var)
    }
}

/// A convolution with its norm.
#[mlx_model(config = UnetConfig)]
#[require(outputs % groups == 0)]
pub struct Part {
    #[param(outputs, 3, 3, inputs, padding = 1)]
    conv: Conv2d,
    #[param(outputs, groups = groups, pytorch_compatible = true)]
    norm: GroupNorm,
}

#[mlx_model]
impl Part {
    /// `silu(norm(conv(x)))`.
    pub fn forward(&self, x: Tensor![B, H, W, inputs]) -> Tensor![B, H, W, outputs] {
        let y: Tensor![B, H, W, outputs] = self.norm(self.conv(x));
        silu(y)
    }
}

/// Three levels.
#[mlx_model(config = UnetConfig, dims(half = side / 2))]
#[require(side % 4 == 0)]
#[require(width % groups == 0)]
pub struct Unet {
    #[config(inputs = colors, outputs = width)]
    first: Part,
    #[config(inputs = width, outputs = 2 * width)]
    down: Part,
    #[param(2 * width, 3, 3, 2 * width, padding = 1, groups = groups)]
    middle: Conv2d,
    #[param(width, 2, 2, 2 * width)]
    up: Param,
    #[config(inputs = 3 * width, outputs = width)]
    left: Part,
    #[config(inputs = 2 * width, outputs = width)]
    last: Part,
    #[config(outputs = width)]
    norm: BatchNorm,
    #[param(colors, 1, 1, width)]
    head: Conv2d,
}

#[mlx_model]
impl Unet {
    /// Pictures of the same size.
    pub fn forward(
        &self,
        x: Tensor![B, side, side, colors],
        key: Tensor![2; u32],
    ) -> Tensor![B, side, side, colors] {
        let a: Tensor![B, side, side, width] = self.first(x);
        let b: Tensor![B, half, half, 2 * width] = self.down(max_pool2d(a, 2));
        let c = dropout(gelu(self.middle(avg_pool2d(b, 2))), key, 0.25);
        let c = concatenate([conv_transpose2d(c, self.up, stride = 2), b], -1);
        let c: Tensor![B, half, half, width] = self.left(c);
        // The nearest neighbour.
        let c = repeat(repeat(c, 2, 1), 2, 2);
        let c: Tensor![B, side, side, width] = self.last(concatenate([c, a], -1));
        self.head(self.norm(c))
    }

    /// The mean square of what is missing.
    pub fn loss(
        &self,
        images: Tensor![B, side, side, colors],
        noise: Tensor![B, side, side, colors],
        key: Tensor![2; u32],
    ) -> Tensor![; f32] {
        mse_loss(self.forward(images, key).astype(f32), noise.astype(f32))
    }
}
