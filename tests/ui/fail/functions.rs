use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn scale(x: Tensor![B, D]) -> Tensor![B, D] {
    x * config.scale
}

#[mlx_fn]
pub fn choose(x: Tensor![B, D]) -> Tensor![B, D] {
    if config.flag { x } else { -x }
}

#[mlx_fn]
pub fn named(x: Tensor![B, hidden]) -> Tensor![B, hidden] {
    x
}

#[mlx_fn]
pub fn shaped(x: Tensor![B, D]) -> Tensor![B, D] {
    x.reshape([B, hidden])
}

#[mlx_fn]
pub fn method(&self, x: Tensor![B, D]) -> Tensor![B, D] {
    x
}

#[mlx_fn]
pub struct Net;

#[mlx_fn]
pub fn other(x: Tensor![B, D]) -> Tensor![D, B] {
    x
}

fn main() {}
