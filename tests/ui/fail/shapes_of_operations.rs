use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
#[require(hidden >= 5)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32], v: Tensor![hidden], one: Tensor![1]) -> Tensor![B, L, hidden] {
        let a = squeeze(x, 1);
        let b = stack([x, v], 0);
        let c = concatenate([x, v], 0);
        let d = concatenate([x, t], 0);
        let e = split(x, 3, -1);
        let f = split(x, [heads, heads], -1);
        let g = broadcast_to(x, [B, hidden]);
        let h = where_(greater(x, 0.0), v, x.transpose([2, 1, 0]));
        let i = where_(greater(x.transpose([2, 1, 0]), 0.0), v, x);
        let j = clip(one, v, sum(x, [0, 2]));
        let k = x.reshape([-1, heads]);
        let l = x.reshape([-1, -1]);
        let m = unflatten(one, 0, []);
        let n = flatten(x, 2, 1);
        let o = slice(x, [0, 0, 0], [1, 2, hidden + 1]);
        let p = slice(x, [0, 0, 0], [B, L, hidden], [1, 1, 0]);
        let q = slice(x, [0, 0, 0], [B, L, hidden], [1, 1, heads]);
        let r = zeros([B, -2]);
        let s = tile(x, [-2]);
        let u = arange(0, 10, 0);
        let y = topk(x, hidden + 1);
        let z = partition(x, hidden, -1);
        let aa = topk(v, 5, 0).topk(6, 0);
        let ab = partition(v.topk(5, 0), 5, 0);
        let ac = sum(x, [0, 0]);
        let ad = transpose(x, [0, 0, 1]);
        let ae = tril(v);
        let af = argsort(v.sum(), -1);
        let ag = triu(v.sum());
        let ah = mse_loss(x, v);
        let ai = x.reshape([L, -3]);
        let aj = cosine_similarity_loss(v.sum(), v.sum());
        self.w(x)
    }
}

fn main() {}
