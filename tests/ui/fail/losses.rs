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
    pub fn loss(
        &self,
        x: Tensor![B, L, hidden],
        targets: Tensor![B, L; i32],
        weights: Tensor![B; f32],
    ) -> Tensor![B, L; f32] {
        let a = linear_cross_entropy(x, self.head, targets);
        let b = linear_cross_entropy(x, self.head, weights, targets);
        let c = linear_cross_entropy(self.head(x), self.head, targets, weights);
        linear_cross_entropy(x, self.head, targets, weights)
    }
}

fn main() {}
