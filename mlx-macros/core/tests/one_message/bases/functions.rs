use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::Linear;

#[derive(Clone)]
pub struct FunctionsConfig {
    pub hidden: usize,
    pub num_heads: usize,
}

#[mlx_fn]
pub fn modulate(
    x: Tensor![B, N, D],
    shift: Tensor![B, D],
    scale: Tensor![B, D],
) -> Tensor![B, N, D] {
    x * (scale.expand_dims(1) + 1.0) + shift.expand_dims(1)
}

#[mlx_model(config = FunctionsConfig)]
#[require(hidden % num_heads == 0)]
pub struct Block {
    #[param(4 * hidden, hidden, bias = true)]
    up: Linear,
    #[param(hidden, 4 * hidden, bias = true)]
    down: Linear,
    #[param(3 * hidden, hidden, bias = true)]
    modulation: Linear,
}

#[mlx_model]
impl Block {
    pub fn forward(
        &self,
        x: Tensor![B, N, hidden],
        c: Tensor![B, hidden],
    ) -> Tensor![B, N, hidden] {
        let (shift_1, scale_1, gate_1) = self.modulation(silu(c)).split(3, -1);
        let y = modulate(layer_norm(x, eps = 1e-6), shift_1, scale_1);
        x + gate_1.expand_dims(1) * self.down(gelu_approx(self.up(y)))
    }
}
