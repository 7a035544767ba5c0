use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, L, D]) -> Tensor![B, L + 2, D + 2] {
    pad(x, [(0, 0), (1, 1), (1, 1)])
}

fn main() {}
