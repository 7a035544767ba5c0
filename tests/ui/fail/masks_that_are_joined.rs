use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(q: Tensor![B, 2, L, 8], m: Tensor![B, 1, 1, L; bool]) -> Tensor![B, 2, L, 8] {
    scaled_dot_product_attention(q, q, q, m & m)
}

fn main() {}
