use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(q: Tensor![B, L, D], k: Tensor![B, S, D]) -> Tensor![B, L, D] {
    scaled_dot_product_attention(q, k, k)
}

fn main() {}
