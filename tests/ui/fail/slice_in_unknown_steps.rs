use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B]) -> Tensor![A, B] {
    slice(x, [0], [B], strides = [2], axes = [1])
}

fn main() {}
