use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, 4]) -> Tensor![A, 4] {
    softmax(split(x, 2, 1), 0)
}

fn main() {}
