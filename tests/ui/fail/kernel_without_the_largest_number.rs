use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D]) -> Tensor![B, D] {
    nan_to_num(x) * 2.0
}

fn main() {}
