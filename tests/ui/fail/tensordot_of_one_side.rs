use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], y: Tensor![B, C]) -> Tensor![A, B] {
    tensordot(x, y, [[0, 1]])
}

fn main() {}
