use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config, fuse(only(swiglu, swiglu)))]
#[require(hidden = 4)]
#[require(true)]
pub struct Net {
    #[lora(8)]
    #[param(hidden, hidden)]
    a: Linear,
    #[frozen = false]
    #[param(hidden, 65536 * 65536)]
    b: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.b(self.a(x))
    }
}

fn main() {}
