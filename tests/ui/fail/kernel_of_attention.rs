use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(
    q: Tensor![B, H, L, D],
    k: Tensor![B, H, L, D],
    v: Tensor![B, H, L, D],
) -> Tensor![B, H, L, D] {
    scaled_dot_product_attention(q, k, v, causal) * 2.0
}

fn main() {}
