use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B]) -> Tensor![A, B] {
    flatten(x, 1, 0)
}

fn main() {}
