use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, Rope};
use mlx_tests::soft_cap;

pub struct Config {
    hidden: usize,
    heads: usize,
    head_dim: usize,
    cap: Option<f32>,
    eps: Option<f32>,
    theta: Option<f32>,
    window: Option<usize>,
    width: Option<usize>,
    scaled: bool,
}

#[mlx_model(config = Config)]
#[require(window > 4)]
pub struct Net {
    #[param(hidden, eps = eps)]
    norm: RmsNorm,
    #[param(width, hidden)]
    up: Linear,
    #[rope(head_dim, base = theta)]
    rope: Rope,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let y = soft_cap(self.norm(x), config.cap);
        let z = if config.scaled { y * config.cap } else { y };
        z + self.attention(z, cache) + self.up(z).sum(-1, keepdims = true)
    }

    fn attention(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = broadcast_to(x.sum(-1, keepdims = true).expand_dims(1), [B, heads, L, head_dim]);
        let (k, v) = cache.update(self.rope(q, cache), q);
        let y = scaled_dot_product_attention(q, k, v, sliding(config.window));
        x + y.sum([1, 3]).expand_dims(2)
    }
}

fn main() {}
