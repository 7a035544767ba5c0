use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B]) -> Tensor![A, B] {
    pad(x, [(1, 1)])
}

fn main() {}
