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
    pub fn forward(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32], v: Tensor![hidden], q: Tensor![B, heads, L, head_dim], w: Tensor![N, K; u32], packed: Tensor![1, N, 8; u32], s: Tensor![1, N, 1]) -> Tensor![B, L, hidden] {
        let a = quantized_matmul(x, x, v, v);
        let b = dequantize(w, v, v, group_size = 48);
        let c = dequantize(w, v, v, bits = 3);
        let d = dequantize(w, v, v);
        let e = quantized_matmul(x, w, v, v, bits = 5);
        let f = quantized_matmul(x, packed, s, s);
        self.w(x)
    }
}

fn main() {}
