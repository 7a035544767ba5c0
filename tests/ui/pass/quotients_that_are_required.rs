use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config, dims(group = heads / kv_heads))]
#[require(heads % kv_heads == 0)]
#[require(depth > 0 && vocab >= heads, head_dim % 2 == 0)]
pub struct Net {
    #[param(kv_heads * group, hidden)]
    w: Linear,
    #[param(hidden, heads)]
    back: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.w(x).reshape([B, L, kv_heads, group]);
        self.back(y.reshape([B, L, heads]))
    }
}

fn main() {}
