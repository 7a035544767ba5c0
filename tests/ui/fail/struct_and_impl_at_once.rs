use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    #[param(hidden)]
    down: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.down(self.up(x));
        x.reshape([B, L])
    }

    pub fn bad(&self, x: Tensor![B, C]) -> Tensor![B, C] {
        x.transpose([0, 0])
    }

    pub fn worse(&self, x: Tensor) -> Tensor![B] {
        x
    }
}

fn main() {}
