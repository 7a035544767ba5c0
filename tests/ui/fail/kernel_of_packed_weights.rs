use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(w: Tensor![N, 8; u32], s: Tensor![N, 1], b: Tensor![N, 1]) -> Tensor![N, 64] {
    dequantize(w, s, b) * 2.0
}

fn main() {}
