use mlx_macros::mlx_model;
use mlx_tests::Config;
use mlx_tests::Mlp;

#[mlx_model(config = Config)]
pub struct Net {
    #[layers(depth, checkpoint = every(2))]
    layers: Vec<Mlp>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for layer in self.layers {
            h = layer(h);
        }
        h
    }
}

fn main() {}
