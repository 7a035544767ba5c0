use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, 1]) -> Tensor![A, 1] {
    unflatten(x, 1, [])
}

fn main() {}
