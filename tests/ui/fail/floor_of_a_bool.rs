use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B; bool]) -> Tensor![A, B; bool] {
    floor(x)
}

fn main() {}
