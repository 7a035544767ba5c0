use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, 5]) -> Tensor![A, 5] {
    topk(x, 7)
}

fn main() {}
