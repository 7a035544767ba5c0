use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], #[frozen] by: f32) -> Tensor![B, D] {
    x * by
}

fn main() {}
