use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Param, RmsNorm};
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
    #[param(hidden)]
    scale: Param,
    #[layers(depth)]
    layers: Vec<Mlp>,
    #[param(hidden)]
    norm: RmsNorm,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let a = self.w * x;
        let b = self.scale(x);
        let c = self.layers(x);
        let d = self.w.weight * x;
        self.norm(self.w(x))
    }

    pub fn loss(&self, x: Tensor![B, hidden], targets: Tensor![B; i32], weights: Tensor![B; f32]) -> Tensor![B; f32] {
        let a = linear_cross_entropy(x, w, targets, weights);
        let b = linear_cross_entropy(x, self.norm, targets, weights);
        a + b
    }
}

fn main() {}
