use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, L, D]) -> Tensor![B, L, D] {
    tril(x) * mean(x, [1, 2], keepdims)
}

fn main() {}
