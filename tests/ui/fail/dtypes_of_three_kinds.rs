use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, Param};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden)]
    scale: Param,
    #[param(hidden, dtype = f32)]
    shift: Param,
    #[param(vocab, hidden)]
    table: Embedding,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], tokens: Tensor![B, L; i32]) -> Tensor![B, L, hidden] {
        let a = x * self.shift;
        let b = x + tokens;
        let c = self.table(tokens.astype(f32));
        let d = where_(x, x, x);
        let e = equal(x, x) * 2.5;
        let f = tokens * 0.5;
        let g = tokens / 2;
        x * self.scale
    }
}

fn main() {}
