use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;


#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.w(x);
        let _z = frobnicate(y);
        if config.depth > 1 {
            let _z = other::frobnicate(y);
            -y
        } else {
            y
        }
    }
}

fn main() {}
