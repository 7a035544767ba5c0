use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv1d, Conv2d};
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, 3, hidden)]
    one: Conv1d,
    #[param(ffn, 3, 3, hidden)]
    two: Conv2d,
    #[param(ffn, 3, hidden, stride = heads)]
    strided: Conv1d,
    #[param(ffn, 3, 3, hidden, stride = [1, 2, 3])]
    broken: Conv2d,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32], v: Tensor![hidden], q: Tensor![B, heads, L, head_dim], w: Tensor![ffn, 3, hidden]) -> Tensor![B, L, hidden] {
        let a = conv1d(v, w);
        let b = conv1d(x, w, groups = 2);
        let c = conv1d(x, w, stride = 0);
        let d = conv1d(x, w, stride = heads);
        let e = max_pool1d(v, 2);
        let f = conv1d(x.reshape([B * L, 1, hidden]), w);
        let g = self.one(v);
        let h = self.one(w);
        let i = self.two(x);
        let j = self.strided(x);
        let k = self.one(x.reshape([B * L, 1, hidden]));
        let l = self.one(x.transpose([0, 2, 1]));
        x
    }
}

fn main() {}
