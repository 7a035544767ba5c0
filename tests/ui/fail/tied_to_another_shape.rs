use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, Linear};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(vocab, hidden)]
    embed: Embedding,
    #[tied(embed)]
    #[param(ffn, hidden)]
    head: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, L, ffn] {
        self.head(self.embed(tokens))
    }
}

fn main() {}
