use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![B, L; i32]) -> Tensor![B, L; i32] {
    positions(x, x)
}

fn main() {}
