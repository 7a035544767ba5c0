use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B]) -> Tensor![A, B] {
    linspace(0, 9, A, dtype = i32)
}

fn main() {}
