use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(w: Tensor![A, 16; u32], s: Tensor![A, 3], b: Tensor![A, 3]) -> Tensor![A, 16; u32] {
    dequantize(w, s, b)
}

fn main() {}
