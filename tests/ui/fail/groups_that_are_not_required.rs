use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv1d, Linear};
use mlx_tests::Config;

#[mlx_model(config = Config)]
#[require(hidden % 4 == 0)]
pub struct Net {
    #[param(hidden, 3, hidden, groups = 2)]
    a: Conv1d,
    #[param(ffn, 3, hidden, groups = 4)]
    b: Conv1d,
    #[param(ffn, 3, ffn, groups = heads)]
    c: Conv1d,
    #[quantize(mode = "mxfp4")]
    #[param(hidden, 48)]
    d: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L - 6, ffn] {
        self.c(self.b(self.a(x)))
    }

    pub fn other(&self, x: Tensor![B, 48]) -> Tensor![B, hidden] {
        self.d(x)
    }
}

fn main() {}
