use mlx_macros::mlx_model;
use mlx_runtime::model::Model;
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net<M: Model<Config = Config>> {
    #[config(hidden + 1)]
    mlp: Mlp,
    chosen: M,
}

#[mlx_model]
impl<M: Model<Config = Config>> Net<M> {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.chosen.encode(self.mlp(x));
        if x == "text" {
            y
        } else {
            -y
        }
    }
}

fn main() {}
