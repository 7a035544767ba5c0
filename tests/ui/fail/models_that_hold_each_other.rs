use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;


#[mlx_model(config = Config)]
pub struct Left {
    #[param(hidden, hidden)]
    w: Linear,
    #[layers(depth)]
    layers: Vec<Right>,
}

#[mlx_model]
impl Left {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = self.w(x);
        for layer in self.layers {
            h = layer(h);
        }
        h
    }
}

#[mlx_model(config = Config)]
pub struct Right {
    #[layers(depth)]
    layers: Vec<Left>,
}

#[mlx_model]
impl Right {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for layer in self.layers {
            h = layer(h);
        }
        h
    }
}

fn main() {}
