use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B, C]) -> Tensor![A, B, C] {
    split(concatenate([x, x], 1), [B, C], 1)
}

fn main() {}
