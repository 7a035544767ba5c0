use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(ffn, hidden)]
    up: Linear,
    #[param(hidden, ffn)]
    down: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.down(x)
    }
}

/// Uses the model although its body is wrong.
#[mlx_model(config = Config)]
pub struct Outer {
    net: Net,
}

#[mlx_model]
impl Outer {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.net(x)
    }
}

pub fn widths(net: &Net, x: &mlx_runtime::Array) -> mlx_runtime::Result<mlx_runtime::Array> {
    let _ = (&net.up, &net.down);
    net.forward(x)
}

fn main() {}
