use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, RmsNorm, Rope};
use mlx_tests::Config;


#[mlx_model(config = Config, config = Config, fuse(off), fuse(off))]
#[require(heads % kv_heads == 0)]
#[require((heads % kv_heads) == 0)]
pub struct Net {
    #[param(hidden, hidden)]
    #[param(ffn, hidden)]
    w: Linear,
    #[weights("a")]
    #[weights("b")]
    #[param(hidden, hidden)]
    v: Linear,
    #[lora]
    #[lora]
    #[param(hidden, hidden)]
    u: Linear,
    #[param(hidden, eps = eps, eps = 1e-6)]
    norm: RmsNorm,
    #[rope(head_dim)]
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.norm(self.w(x) + self.v(x) + self.u(x))
    }
}

#[mlx_model(config = Config, dims(q = heads * head_dim, q = hidden))]
pub struct Twice {
    #[param(q, hidden)]
    w: Linear,
}

#[mlx_model]
impl Twice {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, q] {
        self.w(x)
    }
}

#[mlx_model(config = Config, dims(q = heads * head_dim), dims(q = hidden))]
pub struct Lists {
    #[param(q, hidden)]
    w: Linear,
}

#[mlx_model]
impl Lists {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, q] {
        self.w(x)
    }
}

fn main() {}
