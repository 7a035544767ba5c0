use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;

pub struct Config {
    hidden: usize,
    cap: Option<f32>,
    other: Option<f32>,
}

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.w(x);
        if config.cap.is_some() || config.other.is_some() {
            y * config.cap
        } else if config.hidden > 4 {
            y * config.other
        } else {
            y
        }
    }
}

fn main() {}
