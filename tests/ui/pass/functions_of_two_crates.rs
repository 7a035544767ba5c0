use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::Linear;
use mlx_tests::{pooled, Config};

/// Half of it.
#[mlx_fn]
pub fn halved(x: Tensor![B, L, D]) -> Tensor![B, L, D] {
    x / 2.0
}

/// A quarter of it, by a function that stands after its caller.
#[mlx_fn]
pub fn quartered(x: Tensor![B, L, D]) -> Tensor![B, L, D] {
    halved(halved(x)) + nothing(x)
}

#[mlx_fn]
pub fn nothing(x: Tensor![B, L, D]) -> Tensor![B, L, D] {
    x * 0.0
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
        quartered(y) + z.expand_dims(1)
    }
}

fn main() {}
