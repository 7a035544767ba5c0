use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config, dims(q = heads * head_dim))]
pub struct Net {
    #[param(q, hidden)]
    wq: Linear,
    #[param(hidden, q)]
    wo: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let q = rearrange!("b l (h d) -> b h l d", self.wq(x), h = heads);
        let one = rearrange!("b h l d -> b 1 (h l) d", q);
        let back = rearrange!("b 1 (h l) d -> b l (h d)", one, h = heads, l = L);
        self.wo(back)
    }
}

fn main() {}
