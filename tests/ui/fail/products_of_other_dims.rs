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
    pub fn forward(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32], v: Tensor![hidden], q: Tensor![B, heads, L, head_dim]) -> Tensor![B, L, hidden] {
        let a = einsum("bld,bll->bl", [x, x]);
        let b = einsum("bld,bld", [x, x]);
        let c = einsum("bld->bld", [x, x]);
        let d = einsum("bl->bl", [x]);
        let e = einsum("bld->b1", [x]);
        let f = einsum("bld->blz", [x]);
        let g = inner(x, t.astype(float));
        let h = outer(x, v);
        let i = vecdot(x, v.reshape([1, hidden]), -1);
        let j = tensordot(x, q, 1);
        let k = addmm(v, x, q);
        let l = matmul(x.reshape([B, 1, L, hidden]), swapaxes(q, 1, 2).reshape([L, B, hidden, -1]));
        let m = matmul(v.sum(), v);
        let u = inner(v.sum(), v);
        let n = gather_mm(v, x);
        let o = gather_mm(x, x.transpose([0, 2, 1]), x);
        let p = gather_mm(x, x.transpose([0, 2, 1]), t, t.transpose([1, 0]));
        let r = matmul(x, x.transpose([1, 2, 0]));
        let s = einsum("bld,bdl->b", [x, x]);
        self.w(x)
    }
}

fn main() {}
