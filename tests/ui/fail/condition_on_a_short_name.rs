use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config, dims(q = heads * head_dim))]
#[require(q % 2 == 0)]
pub struct Wide {
    #[param(q, hidden)]
    map: Linear,
}

#[mlx_model]
impl Wide {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, q] {
        self.map(x)
    }
}

fn main() {}
