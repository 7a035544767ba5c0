use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn back(x: Tensor![B, D], dout: Tensor![B, D]) -> Tensor![B, D] {
    x * dout
}

#[mlx_kernel(vjp = back)]
pub fn f(x: Tensor![B, D], bias: Option<Tensor![D]>) -> Tensor![B, D] {
    if bias.is_some() { x + bias } else { x }
}

fn main() {}
