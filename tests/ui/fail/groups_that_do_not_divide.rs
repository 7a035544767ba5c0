use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv1d, Embedding, Linear};
use mlx_tests::Config;


#[mlx_model(config = Config)]
pub struct Net {
    #[quantize(bits = 4, group_size = 64)]
    #[param(hidden, 100)]
    a: Linear,
    #[quantize(group_size = 32)]
    #[param(vocab, 48)]
    b: Embedding,
    #[param(9, 3, 12, groups = 2)]
    c: Conv1d,
    #[param(12, 3, 8, groups = 3)]
    d: Conv1d,
    #[quantize(bits = 2 + 2)]
    #[param(hidden, hidden)]
    e: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, 100]) -> Tensor![B, L, hidden] {
        self.e(self.c(self.a(x)))
    }
}

fn main() {}
