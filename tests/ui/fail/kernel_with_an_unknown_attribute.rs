use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], #[trained] w: Tensor![D]) -> Tensor![B, D] {
    x * w
}

fn main() {}
