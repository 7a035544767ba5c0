use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B]) -> Tensor![A, B] {
    arange(0, A, 0)
}

fn main() {}
