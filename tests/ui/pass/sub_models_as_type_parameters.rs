use mlx_macros::mlx_model;
use mlx_runtime::model::Model;
use mlx_runtime::nn::RmsNorm;
use mlx_tests::{Attention, Config, Mlp};

#[mlx_model(config = Config)]
pub struct Block<A: Model<Config = Config>, M: Model<Config = Config>> {
    attention: A,
    mlp: M,
    #[param(hidden)]
    norm: RmsNorm,
}

#[mlx_model]
impl<A: Model<Config = Config>, M: Model<Config = Config>> Block<A, M> {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let h = x + self.attention(self.norm(x), cache);
        self.mlp(h)
    }
}

#[mlx_model(config = Config)]
pub struct Net {
    #[layers(depth, checkpoint = every(2))]
    blocks: Vec<Block<Attention, Mlp>>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let mut h = x;
        for block in self.blocks {
            h = block(h, cache);
        }
        h
    }
}

fn main() {}
