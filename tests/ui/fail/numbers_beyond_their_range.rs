use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;


#[mlx_model(config = Config)]
pub struct Net {
    #[param(3000000000, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        x + self.w(x).sum(-1, keepdims = true)
    }
}

#[mlx_model(config = Config)]
#[require(eps < 1e999)]
pub struct Large {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Large {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.w(x)
    }
}

#[mlx_model(config = Config)]
pub struct Body {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Body {
    pub fn forward(&self, x: Tensor![B, L, hidden], tokens: Tensor![B, L; i32]) -> Tensor![B, L; i32] {
        let y = tokens + 3000000000 + self.w(x * 1e999).argmax(-1).astype(i32);
        let z = full([B, L], 5000000000, dtype = i32);
        y.reshape([B, 4294967296]) + z
    }
}

fn main() {}
