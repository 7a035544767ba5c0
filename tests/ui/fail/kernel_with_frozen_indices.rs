use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], #[frozen] at: Tensor![B, 1; i32]) -> Tensor![B, 1] {
    take_along_axis(x, at, -1)
}

fn main() {}
