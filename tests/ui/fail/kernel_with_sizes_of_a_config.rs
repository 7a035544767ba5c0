use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, hidden]) -> Tensor![B, hidden] {
    exp(x)
}

fn main() {}
