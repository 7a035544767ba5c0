use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(w: Tensor![A, 16; u32], s: Tensor![A, 2], b: Tensor![A, 2]) -> Tensor![A, 16; u32] {
    dequantize(w, s, b, group_size = 48)
}

fn main() {}
