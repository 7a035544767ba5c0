use mlx_macros::mlx_model;
use mlx_runtime::nn::{Rope};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[weights("rotary")]
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.rope(x, KvCache::off())
    }
}

fn main() {}
