use mlx_macros::mlx_model;

pub struct Config {
    width: usize,
}

#[mlx_model(config = Config)]
pub struct Net {
    #[param(width)]
    norm: RmsNorm,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, width]) -> Tensor![B, width] {
        self.norm(x)
    }
}

fn main() {}
