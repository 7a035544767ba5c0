use mlx_macros::{mlx_fn, mlx_kernel};

#[mlx_kernel]
pub fn f(x: Tensor![B, D], #[frozen] w: Option<Tensor![D]>, bias: Option<Tensor![B, 1]>) -> Tensor![B, D] {
    let mut h = x;
    let unread = x * 2.0;
    if w.is_some() {
        let unread = w * 3.0;
        h = h * unread;
    } else {
        h = h + unread;
    }
    if bias.is_none() { h } else { h + bias }
}

#[mlx_fn]
pub fn g(x: Tensor![B, D], w: Tensor![D]) -> Tensor![B, D] {
    f(f(x, Some(w), None), None, None)
}

fn main() {}
