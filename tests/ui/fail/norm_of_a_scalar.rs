use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![]) -> Tensor![] {
    layer_norm(x)
}

fn main() {}
