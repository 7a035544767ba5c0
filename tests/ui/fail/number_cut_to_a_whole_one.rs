use mlx_macros::mlx_model;
use mlx_runtime::nn::Embedding;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(vocab, hidden)]
    table: Embedding,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, L, hidden] {
        self.table(tokens * 0.5)
    }
}

fn main() {}
