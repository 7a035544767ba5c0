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
        if config.depth > 1 {
            self.forward(self.w(x))
        } else {
            x
        }
    }

    pub fn ping(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.pong(x) + x
    }

    pub fn pong(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.ping(x) * 2.0
    }
}

fn main() {}
