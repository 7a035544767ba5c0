//! Names, modules, dtypes, types and syntax of other libraries and of Rust are refused with what is written here.

use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;

pub struct Config {
    width: usize,
}

fn doubled(x: &mlx_runtime::Array) -> mlx_runtime::Result<mlx_runtime::Array> {
    mlx_runtime::ops::add(x, x)
}

#[mlx_model(config = Config)]
pub struct Calls {
    #[param(width, width)]
    layer: Linear,
}

#[mlx_model]
impl Calls {
    pub fn forward(&self, x: Tensor![B, L, width]) -> Tensor![B, L, width] {
        let a = x.unsqueeze(1);
        let b = torch.cat([x, x], 1);
        let c = F::silu(x);
        let d = x.astype(torch.float32);
        let e = softmax(x, dim = -1);
        let f = x as f32;
        let g = doubled(x);
        let h = x.reshape(B, L, width);
        let i = layer(x);
        let j = match config.width {
            1 => x,
            _ => x,
        };
        println!("here");
        self.layer(x)?
    }

    pub fn dropped(&self, x: Tensor![B, L, width]) -> Tensor![B, L, width] {
        self.layer(x);
    }

    pub fn given(&self, x: Tensor![B, L, width, f32]) -> Tensor![B, L, width] {
        return self.layer(x);
    }
}

fn main() {}
