use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    #[param(hidden, ffn)]
    down: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        if config.depth > 1 && !(config.heads == 4) {
            h = self.down(self.up(h));
        } else if config.vocab >= 2 * config.hidden {
            h = -h;
        }
        let (a, (b, _)) = if layer % 2 == 0 { (h, (h, x)) } else { (x, (x, h)) };
        let c = {
            let d = a + b;
            d * 2.0
        };
        c
    }
}

fn main() {}
