use mlx_macros::mlx_model;
use mlx_runtime::model::Model;
use mlx_runtime::nn::Embedding;
use mlx_tests::Config;

#[mlx_model(config = Config, digest = "../digests/net.txt")]
pub struct Net<M: Model<Config = Config>> {
    inner: M,
    #[param(vocab, hidden)]
    embed: Embedding,
}

#[mlx_model]
impl<M: Model<Config = Config>> Net<M> {
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, L, hidden] {
        self.inner(self.embed(tokens))
    }
}

fn main() {}
