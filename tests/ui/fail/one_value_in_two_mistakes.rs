//! Mistakes that other cases say of a value that is wrong before: a value is blamed once.

use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(vocab, hidden)]
    head: Linear,
}

#[mlx_model]
impl Net {
    pub fn cached(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let (k, v) = cache.update(x, x);
        k + v
    }

    pub fn loss(
        &self,
        x: Tensor![B, L, hidden],
        targets: Tensor![B, L; i32],
        weights: Tensor![B; f32],
    ) -> Tensor![; f32] {
        let (sum, count) = linear_cross_entropy(x, self.head, targets, weights);
        sum / count
    }
}

fn main() {}
