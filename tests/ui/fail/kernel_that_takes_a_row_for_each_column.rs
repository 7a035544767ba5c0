use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(table: Tensor![V, K], at: Tensor![B, D; i32], x: Tensor![B, D]) -> Tensor![B, D, K] {
    take(table, at, 0) * expand_dims(softmax(x, -1), -1)
}

fn main() {}
