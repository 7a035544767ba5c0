use mlx_macros::mlx_model;
use mlx_runtime::nn::Embedding;
use mlx_tests::Config;

#[mlx_model(config = Config, digest = "../digests/binary.txt")]
pub struct Net {
    #[param(vocab, hidden)]
    embed: Embedding,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, L, hidden] {
        self.embed(tokens)
    }
}

fn main() {}
