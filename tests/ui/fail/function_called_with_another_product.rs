use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn turned(x: Tensor![B, 2 * H], c: Tensor![H]) -> Tensor![B, 2 * H] {
    let (a, b) = split(x, 2, -1);
    concatenate([a * c, b], -1)
}

#[mlx_fn]
pub fn right(x: Tensor![B, 4 * K], c: Tensor![K]) -> Tensor![B, 4 * K] {
    turned(x, concatenate([c, c], 0))
}

#[mlx_fn]
pub fn wrong(x: Tensor![B, 3 * K], c: Tensor![K]) -> Tensor![B, 3 * K] {
    turned(x, c)
}

fn main() {}
