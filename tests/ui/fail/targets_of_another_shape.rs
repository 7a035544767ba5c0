use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], t: Tensor![B; i32]) -> Tensor![A, B] {
    cross_entropy(x, t)
}

fn main() {}
