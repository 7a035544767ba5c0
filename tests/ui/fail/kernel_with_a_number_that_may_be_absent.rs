use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], cap: Option<f32>) -> Tensor![B, D] {
    if cap.is_some() { x * cap } else { x }
}

fn main() {}
