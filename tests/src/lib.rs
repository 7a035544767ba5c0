//! Models that the workspace's tests share. Tests of macros see them from another crate.

#![forbid(unsafe_code)]

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::{Linear, RmsNorm, Rope};

/// Sizes of the models below.
#[derive(Clone, Debug)]
pub struct Config {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the feed-forward part.
    pub ffn: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
    /// Number of layers.
    pub depth: usize,
    /// Number of tokens known.
    pub vocab: usize,
    /// Added in the norms.
    pub eps: f32,
}

/// A feed-forward block with a norm.
#[mlx_model(config = Config)]
pub struct Mlp {
    #[param(hidden, eps = eps)]
    norm: RmsNorm,
    #[lora]
    #[param(ffn, hidden)]
    up: Linear,
    #[param(hidden, ffn)]
    down: Linear,
}

#[mlx_model]
impl Mlp {
    /// `x + W_down silu(W_up norm(x))`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x + self.down(silu(self.up(self.norm(x))))
    }
}

/// Attention with a cache.
#[mlx_model(config = Config, dims(q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(heads % kv_heads == 0)]
pub struct Attention {
    #[param(q, hidden)]
    wq: Linear,
    #[param(kv, hidden)]
    wk: Linear,
    #[param(kv, hidden)]
    wv: Linear,
    #[param(hidden, q)]
    wo: Linear,
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Attention {
    /// Causal attention.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = self
            .wq(x)
            .reshape([B, L, heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let k = self
            .wk(x)
            .reshape([B, L, kv_heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let v = self
            .wv(x)
            .reshape([B, L, kv_heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        self.wo(y.transpose([0, 2, 1, 3]).reshape([B, L, q]))
    }
}

/// `cap * tanh(x / cap)`.
#[mlx_fn]
pub fn soft_cap(x: Tensor![B, L, D], cap: f32) -> Tensor![B, L, D] {
    tanh(x / cap) * cap
}

/// The mean over the tokens.
#[mlx_fn]
pub fn pooled(x: Tensor![B, L, D]) -> Tensor![B, D] {
    mean(x, 1)
}
