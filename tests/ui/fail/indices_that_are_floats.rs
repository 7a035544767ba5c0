use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], i: Tensor![C]) -> Tensor![A, B] {
    take(x, i, 0)
}

fn main() {}
