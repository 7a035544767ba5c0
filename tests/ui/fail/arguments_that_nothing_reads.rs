use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear};
use mlx_tests::Config;


#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    /// The sizes of `like` are used, and `_places` is not meant to be.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden],
        mask: Tensor![B, L; bool],
        cache: &mut KvCache,
        scale: f32,
        like: Tensor![N],
        _places: Tensor![B, L; i32],
    ) -> Tensor![N, B, L, hidden] {
        self.w(x) + zeros([N, 1, 1, 1])
    }

    pub fn loss(&self, x: Tensor![B, L, hidden], weights: Tensor![B, L; f32]) -> Tensor![] {
        self.w(x).sum()
    }
}

fn main() {}
