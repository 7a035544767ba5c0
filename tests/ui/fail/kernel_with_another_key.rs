use mlx_macros::mlx_kernel;

#[mlx_kernel(jvp = g)]
pub fn f(x: Tensor![B, D]) -> Tensor![B, D] {
    exp(x)
}

fn main() {}
