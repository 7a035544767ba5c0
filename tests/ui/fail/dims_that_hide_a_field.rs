use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm};
use mlx_tests::Config;


#[mlx_model(config = Config, dims(ffn = 4 * ffn))]
pub struct Itself {
    #[param(ffn, hidden)]
    w: Linear,
}

#[mlx_model]
impl Itself {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, ffn] {
        self.w(x)
    }
}

#[mlx_model(config = Config, dims(eps = 4 * ffn))]
pub struct Attribute {
    #[param(eps, hidden)]
    w: Linear,
    #[param(hidden, eps = eps)]
    norm: RmsNorm,
}

#[mlx_model]
impl Attribute {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, eps] {
        self.w(self.norm(x))
    }
}

#[mlx_model(config = Config, dims(vocab = 4 * ffn))]
pub struct Body {
    #[param(vocab, hidden)]
    w: Linear,
}

#[mlx_model]
impl Body {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, vocab] {
        self.w(x) * config.vocab
    }
}

#[mlx_model(config = Config, dims(q = heads * head_dim, kv = kv_heads * head_dim))]
pub struct Unused {
    #[param(q, hidden)]
    w: Linear,
}

#[mlx_model]
impl Unused {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, q] {
        self.w(x)
    }
}

fn main() {}
