//! Everything that a name in a checkpoint can be, beside a digest that has it.

use mlx_macros::mlx_model;
use mlx_runtime::model::Model;
use mlx_runtime::nn::{Embedding, Linear, Param};
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Either {
    #[when(layer % 2 == 0)]
    #[param(ffn, hidden)]
    up: Option<Linear>,
    #[when(layer % 2 == 1)]
    #[param(hidden, ffn)]
    down: Option<Linear>,
}

#[mlx_model]
impl Either {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut y = x;
        if layer % 2 == 0 {
            y = y + self.up(x).mean(-1, true);
        }
        if layer % 2 == 1 {
            let wide: Tensor![B, L, ffn] = broadcast_to(x.mean(-1, true), [B, L, ffn]);
            y = y + self.down(wide);
        }
        y
    }
}

#[mlx_model(config = Config)]
pub struct Wrap<M: Model<Config = Config>> {
    #[weights("")]
    inner: M,
}

#[mlx_model]
impl<M: Model<Config = Config>> Wrap<M> {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.inner(x)
    }
}

#[mlx_model(config = Config, digest = "../digests/net.txt")]
#[require(heads % kv_heads == 0)]
pub struct Net {
    #[weights("model.embed" | "embed")]
    #[param(vocab, hidden)]
    table: Embedding,
    #[layers(depth)]
    layers: Vec<Wrap<Mlp>>,
    #[weights("skip")]
    #[layers(depth)]
    other: Vec<Either>,
    #[weights("proj.q" + "proj.k")]
    #[param(heads * head_dim, hidden)]
    qk: Linear,
    #[weights("/turned", transposed)]
    #[param(hidden, ffn)]
    back: Linear,
    #[weights("experts.{}.up")]
    #[param(8, ffn, hidden)]
    experts: Param,
    #[param(hidden, ffn)]
    wide: Linear,
    #[tied(table)]
    #[param(vocab, hidden)]
    head: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, L, vocab] {
        let mut h = self.table(tokens);
        for layer in self.layers {
            h = layer(h);
        }
        for layer in self.other {
            h = layer(h);
        }
        let y = matmul(h, self.experts.sum(0).transpose([1, 0]));
        h = h + self.back(y) + self.wide(y) + self.qk(h).mean(-1, true);
        self.head(h)
    }
}

fn main() {}
