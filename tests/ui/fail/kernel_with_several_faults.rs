use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], w: Tensor![D, D]) -> Tensor![B, D] {
    let a = matmul(x, w);
    let b = sort(x, -1);
    a + b
}

fn main() {}
