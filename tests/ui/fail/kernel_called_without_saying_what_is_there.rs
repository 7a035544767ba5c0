use mlx_macros::{mlx_fn, mlx_kernel};

#[mlx_kernel]
pub fn f(x: Tensor![B, D], bias: Option<Tensor![D]>) -> Tensor![B, D] {
    if bias.is_some() { x + bias } else { x }
}

#[mlx_fn]
pub fn plain(x: Tensor![B, D], b: Tensor![D]) -> Tensor![B, D] {
    f(x, b)
}

#[mlx_fn]
pub fn another_size(x: Tensor![B, D], b: Tensor![B]) -> Tensor![B, D] {
    f(x, Some(b))
}

fn main() {}
