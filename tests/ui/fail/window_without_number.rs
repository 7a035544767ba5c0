use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(q: Tensor![B, H, L, D], k: Tensor![B, H, S, D]) -> Tensor![B, H, L, D] {
    scaled_dot_product_attention(q, k, k, sliding(q))
}

fn main() {}
