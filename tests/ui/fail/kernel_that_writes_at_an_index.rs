use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], at: Tensor![B, 1; i32], v: Tensor![B, 1]) -> Tensor![B, D] {
    put_along_axis(x, at, v, -1)
}

fn main() {}
