use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![L]) -> Tensor![L] {
    causal_mask(x)
}

fn main() {}
