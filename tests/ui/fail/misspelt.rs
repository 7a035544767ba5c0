use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden, bais = true)]
    w: Linear,
    #[layers(depth, chekpoint = auto)]
    layers: Vec<Mlp>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = x.astype(flaot);
        let z = trnspose(y, [0, 2, 1]);
        let u = softmax(y, axs = -1);
        let v = self.lyers(x);
        let width = x;
        let w = wdth + z;
        y
    }
}

fn main() {}
