//! Mistakes that shapes do not show are warnings. A model that allows one has none.
#![deny(warnings)]
#![allow(dead_code)]

use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, Linear, RmsNorm};

pub struct Config {
    width: usize,
    vocab: usize,
    heads: usize,
    head_dim: usize,
    tie_word_embeddings: bool,
}

#[mlx_model(config = Config, dims(q = heads * head_dim))]
pub struct Attention {
    #[param(q, width)]
    wq: Linear,
    #[param(q, width)]
    wk: Linear,
}

#[mlx_model]
impl Attention {
    pub fn forward(&self, x: Tensor![B, L, width], cache: &mut KvCache) -> Tensor![B, L, q] {
        let q = rearrange!("b l (h d) -> b h l d", self.wq(x), h = heads);
        let k = rearrange!("b l (h d) -> b h l d", self.wk(x), h = heads);
        let (k, v) = cache.update(k, k);
        let y = scaled_dot_product_attention(q, k, v);
        rearrange!("b h l d -> b l (h d)", y)
    }
}

#[mlx_model(config = Config)]
pub struct Network {
    #[param(vocab, width)]
    table: Embedding,
    #[param(width)]
    norm: RmsNorm,
    #[param(vocab, width)]
    head: Linear,
}

#[mlx_model(allow(norm_twice))]
impl Network {
    pub fn forward(&self, t: Tensor![B, L; i32]) -> Tensor![B, L; f32] {
        cross_entropy(self.head(self.norm(self.norm(self.table(t)))), t)
    }
}

fn main() {}
