use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn again(x: Tensor![B]) -> Tensor![B] {
    again(x) + x
}

#[mlx_fn]
pub fn ping(x: Tensor![B]) -> Tensor![B] {
    pong(x) + x
}

#[mlx_fn]
pub fn pong(x: Tensor![B]) -> Tensor![B] {
    ping(x) * 2.0
}

fn main() {}
