use mlx_macros::mlx_model;
use mlx_runtime::nn::SwitchLinear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights("switch" | "experts.{}.w")]
    #[lora]
    #[param(heads, hidden, hidden)]
    experts: SwitchLinear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], by: Tensor![B, K; u32]) -> Tensor![B, K, L, hidden] {
        self.experts(x.expand_dims(1), by)
    }
}

fn main() {}
