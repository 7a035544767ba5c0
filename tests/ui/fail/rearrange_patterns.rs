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
        let a = rearrange!("b l d", x);
        let b = rearrange!("b b d -> b d", x);
        let c = rearrange!("b l d -> b l", x);
        let d = rearrange!("b l d -> b l d h", x);
        let e = rearrange!("b (l d -> b l d", x);
        let f = rearrange!("b l d* -> b d* l", x);
        let g = rearrange!("b l d -> b d l" x);
        let h = rearrange!("b l d -> b d l", x, d);
        let i = rearrange!("b l d -> b d l", (x, x));
        self.w(x)
    }
}

fn main() {}
