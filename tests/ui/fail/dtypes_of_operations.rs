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
    pub fn forward(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32], m: Tensor![B, L; bool], s: Tensor![B, L, hidden; f32]) -> Tensor![B, L, hidden] {
        let a = linspace(0.0, 1.0, 10, i32);
        let b = negative(m);
        let c = floor_divide(m, m);
        let d = logical_and(x, x);
        let e = left_shift(x, x);
        let f = bitwise_and(x, x);
        let g = take(x, x, 1);
        let h = concatenate([x, s], 0);
        let i = m - m;
        let j = bitwise_invert(x);
        let k = exp(t);
        let l = remainder(m, m);
        let n = take_along_axis(x, s, 1);
        let o = sort(m).cumsum(0);
        self.w(x)
    }
}

fn main() {}
