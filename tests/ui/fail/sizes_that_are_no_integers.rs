use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm};

pub struct Config {
    hidden: usize,
    ffn: f32,
    gated: bool,
    name: String,
    window: f64,
}

#[mlx_model(config = Config)]
#[require(gated + 1 > 1)]
#[require(gated != 3)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    #[param(gated * hidden, hidden)]
    gate: Linear,
    #[param(hidden, eps = gated)]
    norm: RmsNorm,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.up(x).sum(-1, keepdims = true) + self.gate(x).sum(-1, keepdims = true);
        let scores = causal_mask(self.norm(x), window = config.window);
        (scores + y) * config.gated + config.name
    }
}

fn main() {}
