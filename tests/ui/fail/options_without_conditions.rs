use mlx_macros::mlx_model;
use mlx_runtime::nn::RmsNorm;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden)]
    first: Option<RmsNorm>,
    #[when(depth > 1)]
    #[param(hidden)]
    second: RmsNorm,
    #[when(depth, heads)]
    #[param(hidden)]
    third: Option<RmsNorm>,
    #[when(f(depth))]
    #[param(hidden)]
    fourth: Option<RmsNorm>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x
    }
}

fn main() {}
