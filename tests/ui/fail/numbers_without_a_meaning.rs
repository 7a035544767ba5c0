use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::{RmsNorm, Rope};
use mlx_tests::Config;

#[mlx_fn]
pub fn smoothed(x: Tensor![B, V], t: Tensor![B; i32]) -> Tensor![B; f32] {
    cross_entropy(x, t, label_smoothing = 1.5)
}

#[mlx_fn]
pub fn clipped(x: Tensor![B]) -> Tensor![B] {
    clip(x, 1.0, -1.0)
}

#[mlx_fn]
pub fn divided(x: Tensor![B], n: Tensor![B; i32]) -> (Tensor![B], Tensor![B; i32]) {
    (x / 0.0, remainder(n, 0))
}

#[mlx_fn]
pub fn shifted(n: Tensor![B; i32]) -> Tensor![B; i32] {
    left_shift(n, 32)
}

#[mlx_fn]
pub fn beyond(x: Tensor![B]) -> Tensor![B] {
    x * 1e39 + 1e-60
}

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, eps = 1e39)]
    norm: RmsNorm,
    #[rope(head_dim, base = 0)]
    rope: Rope,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        if layer % 0 == 0 {
            x
        } else {
            self.norm(x)
        }
    }
}

fn main() {}
