use mlx_macros::mlx_model;
use mlx_runtime::nn::Param;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights("experts.x{}.weight")]
    #[param(heads, hidden)]
    a: Param,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x * sum(self.a, 0)
    }
}

fn main() {}
