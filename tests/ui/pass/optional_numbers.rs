use mlx_macros::mlx_model;
use mlx_runtime::nn::{KvCache, Linear, Param, RmsNorm, Rope};
use mlx_runtime::{ops, Dtype};
use mlx_tests::soft_cap;

struct Config {
    hidden: usize,
    heads: usize,
    head_dim: usize,
    cap: Option<f32>,
    eps: Option<f32>,
    theta: Option<f64>,
    window: Option<usize>,
    width: Option<usize>,
    scaled: bool,
}

#[mlx_model(config = Config)]
#[require(eps.is_some() && eps > 0.0)]
#[require(theta.is_none() || theta >= 1.0)]
#[require(scaled == true)]
struct Net {
    #[param(heads * head_dim, hidden)]
    w: Linear,
    #[param(hidden, eps = eps)]
    norm: RmsNorm,
    #[when(theta.is_some())]
    #[rope(head_dim, base = theta)]
    rope: Option<Rope>,
    #[when(width.is_some())]
    #[param(width)]
    wide: Option<Param>,
}

#[mlx_model]
impl Net {
    /// Numbers that are there by the model's conditions, by an `if`, by an `else` and by `&&`.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let cap = config.cap;
        let y = self.norm(x) + config.eps;
        let y = if config.cap.is_none() { y } else { soft_cap(y, cap) };
        let y = if config.width.is_some() && config.width > 1 {
            y + pad(self.wide, [(0, 1)]).sum() + zeros([width]).sum()
        } else {
            y
        };
        y + self.attention(y, cache) * config.head_dim
    }

    fn attention(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, 1] {
        let q = rearrange!("b l (h d) -> b h l d", self.w(x), h = heads);
        let q = if config.theta.is_some() { self.rope(q, cache) } else { q };
        let (k, v) = cache.update(q, q);
        let y = if config.window.is_some() {
            scaled_dot_product_attention(q, k, v, sliding(config.window))
        } else {
            scaled_dot_product_attention(q, k, v, causal)
        };
        y.sum([1, 3]).expand_dims(2)
    }
}

fn net(cap: Option<f32>, window: Option<usize>) -> Vec<f32> {
    let config = std::sync::Arc::new(Config {
        hidden: 4,
        heads: 2,
        head_dim: 2,
        cap,
        eps: Some(1e-5),
        theta: Some(100.0),
        window,
        width: window,
        scaled: true,
    });
    let key = mlx_runtime::random::key(7).unwrap();
    let net: Net = mlx_runtime::model::init(&config, key, Dtype::Float32).unwrap();
    let x = ops::ones(&[1, 3, 4], Dtype::Float32).unwrap();
    let y = net.forward(&x, &mut KvCache::off()).unwrap();
    y.to_vec::<f32>().unwrap()
}

fn main() {
    for y in [net(None, None), net(Some(2.0), None), net(None, Some(2))] {
        assert!(y.iter().all(|v| v.is_finite()), "{y:?}");
    }
    assert_ne!(net(None, None), net(Some(2.0), None));
}
