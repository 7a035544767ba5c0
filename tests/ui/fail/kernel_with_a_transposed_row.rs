use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, L, D]) -> Tensor![B, 1, 1] {
    mean(transpose(x, [0, 2, 1]), [1, 2], keepdims)
}

fn main() {}
