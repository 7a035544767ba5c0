use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![B, L, C], w: Tensor![D, 3, E]) -> Tensor![B, L, C] {
    conv1d(x, w)
}

fn main() {}
