use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub fn f(x: Tensor![B, D], w: Tensor![E, D]) -> Tensor![B, E] {
    einsum("bd,ed->be", [x, w])
}

fn main() {}
