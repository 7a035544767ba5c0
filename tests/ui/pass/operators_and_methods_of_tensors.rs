use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = -self.w(x) * 2.0 + x / (config.eps + 1.0) - 0.5;
        let z = y.square().mean(-1, true).add(1e-6).rsqrt();
        let m = greater(z, 0.5);
        where_(m, y, x)
    }
}

fn main() {}
