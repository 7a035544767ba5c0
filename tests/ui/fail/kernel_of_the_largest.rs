use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D]) -> Tensor![B, 2] {
    topk(exp(x), 2, -1)
}

fn main() {}
