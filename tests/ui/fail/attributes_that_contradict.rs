use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, Linear, RmsNorm, Rope};
use mlx_tests::Config;


#[mlx_model(config = Config)]
pub struct Net {
    #[param(vocab, hidden)]
    table: Embedding,
    #[lora]
    #[frozen]
    #[param(hidden, hidden)]
    w: Linear,
    #[tied(table)]
    #[weights("head")]
    #[param(vocab, hidden)]
    head: Linear,
    #[tied(table)]
    #[frozen]
    #[param(vocab, hidden)]
    other: Linear,
    #[rope(16, rotated = 17)]
    odd: Rope,
    #[rope(16, rotated = 32)]
    more: Rope,
    #[param(hidden, eps = -1e-6)]
    norm: RmsNorm,
    #[lora(8)]
    #[param(hidden, hidden)]
    rank: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, L, vocab] {
        let x = self.rank(self.norm(self.w(self.table(tokens))));
        self.head(x) + self.other(x)
    }
}

fn main() {}
