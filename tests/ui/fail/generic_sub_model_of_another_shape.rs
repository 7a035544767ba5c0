use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::{Config, Mlp};

use mlx_runtime::model::Model;

#[mlx_model(config = Config)]
pub struct Net<A: Model<Config = Config>> {
    #[param(ffn, hidden)]
    up: Linear,
    inner: A,
}

#[mlx_model]
impl<A: Model<Config = Config>> Net<A> {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, ffn] {
        let y = self.inner(self.up(x));
        y
    }
}

pub fn use_it(model: &Net<Mlp>, x: &mlx_runtime::Array) -> mlx_runtime::Result<mlx_runtime::Array> {
    model.forward(x)
}

fn main() {
    // rustc looks into generic code where it is used, in `cargo build`.
    let used: fn(&Net<Mlp>, &mlx_runtime::Array) -> mlx_runtime::Result<mlx_runtime::Array> = use_it;
    let _ = std::hint::black_box(used);
}
