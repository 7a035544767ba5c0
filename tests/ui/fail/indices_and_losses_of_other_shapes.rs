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
    pub fn forward(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32], v: Tensor![hidden], i: Tensor![B, L, hidden; i32]) -> Tensor![B, L, hidden] {
        let a = take_along_axis(x, t, 1);
        let b = put_along_axis(x, i, v.reshape([hidden, 1]), 1);
        let c = take_along_axis(x, i.transpose([2, 1, 0]), 1);
        let d = cross_entropy(x, t.transpose([1, 0]));
        let e = cross_entropy(x, t, weights = v);
        let f = nll_loss(x, t.transpose([1, 0]));
        let g = cross_entropy(x, x.astype(i32));
        let h = take(x, v, 0);
        let j = gather_mm(x, x.transpose([0, 2, 1]), t, t.transpose([1, 0]));
        self.w(x)
    }
}

fn main() {}
