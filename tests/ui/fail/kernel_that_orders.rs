use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D]) -> Tensor![B, D; u32] {
    argsort(x * 2.0, -1)
}

fn main() {}
