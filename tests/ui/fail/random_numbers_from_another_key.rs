use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![B, D], key: Tensor![4; u32]) -> Tensor![B, D] {
    x + astype(random::uniform(0.0, 1.0, [B, D], key), float)
}

#[mlx_fn]
pub fn g(x: Tensor![B, D]) -> Tensor![B, D; bool] {
    random::bernoulli(0.5, [B, D], x)
}

#[mlx_fn]
pub fn h(key: Tensor![2; u32], x: Tensor![B]) -> Tensor![B; u32] {
    random::bits([B]) + astype(x, u32)
}

fn main() {}
