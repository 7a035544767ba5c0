use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D]) -> Tensor![D, B] {
    reshape(softmax(x, -1), [D, B])
}

fn main() {}
