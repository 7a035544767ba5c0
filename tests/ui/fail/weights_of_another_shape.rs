use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], t: Tensor![A; i32], w: Tensor![B]) -> Tensor![A, B] {
    cross_entropy(x, t, w)
}

fn main() {}
