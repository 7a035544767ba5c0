use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![N, N]) -> Tensor![N, N] {
    x + transpose(x, [1, 0])
}

fn main() {}
