use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32], v: Tensor![hidden], q: Tensor![B, heads, L, head_dim], three: Tensor![B, 3, L, head_dim], two: Tensor![B, 2, L, head_dim]) -> Tensor![B, L, hidden] {
        let a = scaled_dot_product_attention(x, x, x);
        let b = scaled_dot_product_attention(three, two, two);
        let c = scaled_dot_product_attention(q, q, q, t);
        let d = scaled_dot_product_attention(q, q, q, v);
        let e = scaled_dot_product_attention(q, q, q, causal, sinks = v);
        let f = rope(x, 3, false);
        let g = rope(v, head_dim, false);
        let h = causal_mask(v);
        let i = swiglu(x, v);
        let j = glu(x, -1);
        let k = rms_norm(x, x, 1e-5);
        let l = layer_norm(x, v, x);
        let m = KvCache::off().positions(v);
        let n = positions(KvCache::off(), v.sum());
        self.w(x)
    }
}

fn main() {}
