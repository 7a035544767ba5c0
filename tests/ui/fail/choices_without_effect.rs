use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;


#[mlx_model(config = Config)]
#[require(heads > 4)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
    #[when(heads < 3)]
    #[param(hidden, hidden)]
    few: Option<Linear>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.w(x);
        if config.heads < 3 {
            self.few(y)
        } else {
            y
        }
    }
}

#[mlx_model(config = Config)]
#[require(heads > 4)]
pub struct Other {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Other {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = self.w(x);
        if config.depth > 1 {
            let _y = relu(h);
        }
        if config.heads > 3 {
            h = h + x;
        }
        if config.depth == 2 {
            if config.depth != 2 {
                h = h * 2.0;
            }
        }
        let h = if config.vocab > 7 { h } else { h };
        if config.ffn > 7 { relu(h) } else { relu(h) }
    }
}

fn main() {}
