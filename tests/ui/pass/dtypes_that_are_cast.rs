use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, Param};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, dtype = f32)]
    scale: Param,
    #[param(vocab, hidden)]
    table: Embedding,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, tokens: Tensor![B, L; i32], keep: Tensor![B, L, hidden; bool]) -> Tensor![B, L, hidden; f32] {
        let x = self.table(tokens).astype(f32) * self.scale;
        let first = x * 2 + 1;
        where_(keep, first, 0.0 - x)
    }

    /// Half the number of tokens, as a scalar.
    pub fn half(&self, weights: Tensor![B, L; f32]) -> Tensor![; f32] {
        sum(weights) / 2
    }
}

fn main() {}
