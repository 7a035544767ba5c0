use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Heads {
    #[param(heads * head_dim, hidden)]
    map: Linear,
}

#[mlx_model]
impl Heads {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, heads, L, head_dim] {
        rearrange!("b l (h d) -> b h l d", self.map(x), h = heads, h = head_dim)
    }
}

fn main() {}
