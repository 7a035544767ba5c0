use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(w: Tensor![A, 16], s: Tensor![A, 2], b: Tensor![A, 2]) -> Tensor![A, 16] {
    dequantize(w, s, b)
}

fn main() {}
