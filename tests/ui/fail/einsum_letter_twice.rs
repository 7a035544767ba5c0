use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, A]) -> Tensor![A, A] {
    einsum("ii->i", [x])
}

fn main() {}
