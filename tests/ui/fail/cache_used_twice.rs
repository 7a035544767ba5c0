use mlx_macros::mlx_model;
use mlx_tests::Config;
use mlx_tests::Attention;

#[mlx_model(config = Config)]
pub struct Net {
    first: Attention,
    second: Attention,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let y = self.first(x, cache);
        self.second(y, cache)
    }
}

fn main() {}
