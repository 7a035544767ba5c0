use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(q: Tensor![B, 6, L, D], k: Tensor![B, 4, S, D]) -> Tensor![B, 6, L, D] {
    scaled_dot_product_attention(q, k, k)
}

fn main() {}
