use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Param, RmsNorm};
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
    #[when(depth > 1 && layer % 2 == 0)]
    #[param(hidden)]
    norm: Option<RmsNorm>,
    #[when(vocab > 2)]
    #[param(hidden)]
    scale: Option<Param>,
    #[when(heads == 8)]
    mlp: Option<Mlp>,
    #[when(depth > 3)]
    #[layers(depth - 3)]
    more: Option<Vec<Mlp>>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = self.w(x);
        if config.depth > 1 && layer % 2 == 0 {
            h = self.norm(h);
        }
        if config.vocab > 2 {
            h = h * self.scale;
        }
        let mut y = if config.heads == 8 { self.mlp(h) } else { h };
        if config.depth > 3 {
            for layer in self.more {
                y = layer(y);
            }
        }
        y
    }
}

fn main() {}
