use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
#[require(head_dim <= ffn)]
pub struct Net {
    #[param(ffn, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, 2] {
        let y = self.w(x);
        let first = slice(y, [0], [2], axes = [-1]);
        first + slice(y, [heads], [heads + 2], axes = [-1])
    }

    pub fn known(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, head_dim] {
        slice(self.w(x), [0], [head_dim], axes = [-1])
    }
}

fn main() {}
