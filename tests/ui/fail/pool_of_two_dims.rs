use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![B, C]) -> Tensor![B, C] {
    max_pool1d(x, 2)
}

fn main() {}
