use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], y: Tensor![B]) -> Tensor![A, B] {
    swiglu(x, y)
}

fn main() {}
