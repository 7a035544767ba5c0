use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![L, 8]) -> Tensor![L, 8] {
    rope(x, 8)
}

fn main() {}
