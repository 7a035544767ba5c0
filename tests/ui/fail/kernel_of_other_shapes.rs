use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], w: Tensor![E]) -> Tensor![B, D] {
    x * w
}

fn main() {}
