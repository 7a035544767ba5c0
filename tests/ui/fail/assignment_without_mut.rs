use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;


#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
    #[layers(depth)]
    layers: Vec<mlx_tests::Mlp>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let h = self.w(x);
        h = relu(h);
        if config.depth > 1 {
            h = h + x;
        }
        x = x + h;
        for layer in self.layers {
            h = layer(h);
        }
        x + h
    }

    pub fn still(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut y = self.w(x);
        y + x
    }
}

fn main() {}
