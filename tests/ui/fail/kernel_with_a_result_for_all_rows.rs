use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], w: Tensor![D]) -> (Tensor![B, D], Tensor![D]) {
    (x * w, w * 2.0)
}

fn main() {}
