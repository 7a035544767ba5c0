use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], bias: Option<Tensor![D]>) -> Tensor![B, D] {
    x + bias
}

#[mlx_kernel]
pub fn g(x: Tensor![B, D], bias: Option<Tensor![D]>, scale: Option<Tensor![D]>) -> Tensor![B, D] {
    if bias.is_some() { x + bias } else { x * scale }
}

fn main() {}
