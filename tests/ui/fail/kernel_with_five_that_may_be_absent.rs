use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(
    x: Tensor![B, D],
    a: Option<Tensor![D]>,
    b: Option<Tensor![D]>,
    c: Option<Tensor![D]>,
    d: Option<Tensor![D]>,
    e: Option<Tensor![D]>,
) -> Tensor![B, D] {
    x
}

fn main() {}
