use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let a = rearrange!("b l h d -> b h l d", x);
        let b = rearrange!("b l (h d) -> b h l d", x);
        let c = rearrange!("b l (h d) -> b h l d", x, h = heads);
        let d = rearrange!("b l (h d) -> b h l d", x, h = heads, d = head_dim);
        let e = rearrange!("b l (head d) -> b head l d", x, heads = hidden);
        self.w(x)
    }
}

fn main() {}
