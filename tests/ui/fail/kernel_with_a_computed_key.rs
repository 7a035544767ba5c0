use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], keys: Tensor![3, 2; u32]) -> Tensor![B, D] {
    let key = squeeze(slice(keys, [1, 0], [2, 2]), 0);
    where_(random::bernoulli(0.5, [B, D], key), x, zeros_like(x))
}

fn main() {}
