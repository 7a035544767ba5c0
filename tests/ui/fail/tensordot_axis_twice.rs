use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], y: Tensor![B, C]) -> Tensor![A, B] {
    tensordot(x, y, [[1, 1], [0, 0]])
}

fn main() {}
