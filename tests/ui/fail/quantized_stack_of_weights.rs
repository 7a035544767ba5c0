use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![B, 128], w: Tensor![C, A, 16; u32], s: Tensor![C, A, 2], b: Tensor![C, A, 2]) -> Tensor![B, 128] {
    quantized_matmul(x, w, s, b)
}

fn main() {}
