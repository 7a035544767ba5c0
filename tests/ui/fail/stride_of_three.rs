use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, 8, 8, C], w: Tensor![D, 3, 3, C]) -> Tensor![A, 8, 8, C] {
    conv2d(x, w, stride = [1, 1, 1])
}

fn main() {}
