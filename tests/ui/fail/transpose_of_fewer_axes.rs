use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B, C]) -> Tensor![A, B, C] {
    transpose(x, [1, 0])
}

fn main() {}
