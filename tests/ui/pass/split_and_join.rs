use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(2 * ffn, hidden)]
    both: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, 2 * ffn] {
        let (a, b) = self.both(x).split(2, -1);
        concatenate([a, b], -1)
    }
}

fn main() {}
