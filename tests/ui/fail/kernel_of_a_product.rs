use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], w: Tensor![D, E]) -> Tensor![B, E] {
    silu(matmul(x, w))
}

fn main() {}
