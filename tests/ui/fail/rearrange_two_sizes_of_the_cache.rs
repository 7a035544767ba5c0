use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;

struct Config {
    dim: usize,
}

#[mlx_model(config = Config)]
struct M {
    #[param(dim, dim)]
    keys: Linear,
}

#[mlx_model]
impl M {
    fn forward(&self, x: Tensor![B, H, L, dim], cache: &mut KvCache) -> Tensor![B, H, L, dim] {
        let (k, v) = cache.update(self.keys(x), x);
        let scores = matmul(k, k.swapaxes(-1, -2));
        let apart = rearrange!("b h s t -> b 1 h s t", scores);
        x + v.sum(2, keepdims = true) + apart.sum()
    }
}

fn main() {}
