use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![A, B], y: Tensor![A, B]) -> Tensor![A, B] {
    mse_loss(x, y, "meam")
}

fn main() {}
