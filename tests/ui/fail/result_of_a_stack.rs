use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

/// Gives another width than it takes.
#[mlx_model(config = Config)]
pub struct Widen {
    #[param(ffn, hidden)]
    up: Linear,
}

#[mlx_model]
impl Widen {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, ffn] {
        self.up(x)
    }
}

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    #[layers(depth)]
    layers: Vec<Widen>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, ffn] {
        let mut h = x;
        for layer in self.layers {
            h = layer(h);
        }
        self.up(h)
    }
}

fn main() {}
