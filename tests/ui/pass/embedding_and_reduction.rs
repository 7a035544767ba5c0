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
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, hidden] {
        let x = self.table(tokens);
        let scale = x.square().mean(-1, true).sqrt();
        (x / (scale + 1e-6)).sum(1)
    }
}

fn main() {}
