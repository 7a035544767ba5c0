use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, 9, 4], w: Tensor![8, 3, 4]) -> Tensor![B, 7, 8] {
    relu(conv1d(x, w))
}

fn main() {}
