use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![B, L, 8]) -> Tensor![B, L, 8] {
    rope(x, 7)
}

fn main() {}
