use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D]) -> Tensor![B, D] {
    if config.gated {
        x
    } else {
        -x
    }
}

fn main() {}
