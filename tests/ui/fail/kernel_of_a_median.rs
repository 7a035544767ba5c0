use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D]) -> Tensor![B, D] {
    x - median(x, -1, keepdims)
}

fn main() {}
