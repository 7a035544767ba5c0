use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, 2, D] {
    stack([x, y], 1)
}

fn main() {}
