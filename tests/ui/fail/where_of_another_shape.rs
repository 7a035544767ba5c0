use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(c: Tensor![C; bool], x: Tensor![A, B]) -> Tensor![C; bool] {
    where_(c, x, x)
}

fn main() {}
