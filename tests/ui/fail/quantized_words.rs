use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(w: Tensor![A, B; u32], s: Tensor![A, 2], b: Tensor![A, 2]) -> Tensor![A, B; u32] {
    dequantize(w, s, b, bits = 3)
}

fn main() {}
