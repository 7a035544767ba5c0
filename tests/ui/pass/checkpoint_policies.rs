use mlx_macros::mlx_model;
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    #[layers(depth)]
    a: Vec<Mlp>,
    #[layers(depth, checkpoint = always)]
    b: Vec<Mlp>,
    #[layers(2, checkpoint = never)]
    c: Vec<Mlp>,
    #[layers(depth, checkpoint = auto)]
    d: Vec<Mlp>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for layer in self.a {
            h = layer(h);
        }
        for layer in self.b {
            h = layer(h);
        }
        for layer in self.c {
            h = layer(h);
        }
        for layer in self.d {
            h = layer(h);
        }
        h
    }
}

fn main() {}
