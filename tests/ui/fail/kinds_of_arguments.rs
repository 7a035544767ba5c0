use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let a = concatenate(x, -1);
        let b = expand_dims(x, 1.5);
        let c = transpose(x, [0, 2, L]);
        let d = softmax(x, x);
        let e = reshape(x, B);
        let f = clip(x, a_min = "zero");
        let g = sum(x, -1, 1);
        let h = astype(x, "float32");
        let i = leaky_relu(x, x);
        let j = softmax((x, x), -1);
        self.w(x)
    }
}

fn main() {}
