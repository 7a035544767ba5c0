use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn deep(x: Tensor![B]) -> Tensor![B] {
    x
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
        .relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu().relu()
}

fn main() {}
