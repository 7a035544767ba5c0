use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::Linear;
use mlx_tests::{pooled, Config};

/// Half of it.
#[mlx_fn]
pub fn halved(x: Tensor![B, L, D]) -> Tensor![B, L, D] {
    x / 2.0
}

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = halved(mlx_tests::soft_cap(self.w(x), 2.0 * config.eps));
        let z: Tensor![B, hidden] = pooled(y);
        y + z.expand_dims(1)
    }
}

fn main() {}
