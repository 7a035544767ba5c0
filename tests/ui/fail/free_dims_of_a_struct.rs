use mlx_macros::mlx_model;
use mlx_runtime::nn::Param;
use mlx_tests::Config;

#[mlx_model(config = Config, dims(twice = 2 * S))]
#[require(L > 1)]
pub struct Net {
    #[param(B, twice)]
    table: Param,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        x + sum(self.table)
    }
}

fn main() {}
