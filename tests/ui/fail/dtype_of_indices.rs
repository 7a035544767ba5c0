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
    pub fn forward(&self, x: Tensor![B, L]) -> Tensor![B, L, hidden] {
        self.table(x)
    }
}

fn main() {}
