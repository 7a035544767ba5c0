use mlx_macros::mlx_kernel;

#[mlx_kernel]
pub struct Norm {
    pub eps: f32,
}

fn main() {}
