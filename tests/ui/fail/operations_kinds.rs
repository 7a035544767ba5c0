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
    pub fn forward(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32], v: Tensor![hidden], q: Tensor![B, heads, L, head_dim]) -> Tensor![B, L, hidden] {
        self.w(x);
        let a = split(x, 65, -1);
        let b = einsum(x, [x, x]);
        let c = mse_loss(x, x, reduction = "men");
        let d = max_pool2d(x.expand_dims(1), [1, 2, 3]);
        let e = pad(x, [1, 2]);
        let f = split(x, x, -1);
        let g = tensordot(x, x, [[1], [2, 3]]);
        let h = scaled_dot_product_attention(q, q, q, sliding(x));
        let i = clip(x);
        let j = slice(x, [0], [1, 2]);
        let k = pad(x, [(0, 0)]);
        let l = pad(x, 3);
        let m = stack(x, 0);
        self.w(x)
    }
}

fn main() {}
