use mlx_macros::mlx_model;
use mlx_runtime::nn::Rope;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, heads, head_dim], cache: &mut KvCache) -> Tensor![B, L, heads, head_dim] {
        let a = self.rope(x);
        let b = self.rope(x, x);
        let c = self.rope(x, cache);
        let d = cache.update(x);
        let (e, f) = cache.update(x, x);
        let g = cache + x;
        x
    }
}

fn main() {}
