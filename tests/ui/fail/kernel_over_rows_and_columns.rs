use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D]) -> Tensor![B, D] {
    x - mean(x, -1, keepdims) - max(x, 0, keepdims)
}

fn main() {}
