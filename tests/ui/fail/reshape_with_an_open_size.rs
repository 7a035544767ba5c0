use mlx_macros::mlx_model;
use mlx_runtime::nn::Param;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct M {
    #[param(hidden)]
    w: Param,
}

#[mlx_model]
impl M {
    pub fn f(&self) -> Tensor![hidden] {
        reshape(self.w, [3, -1])
    }
}

fn main() {}
