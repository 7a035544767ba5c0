use mlx_macros::mlx_model;
use mlx_runtime::nn::Conv2d;
use mlx_tests::Config;

#[mlx_model(config = Config)]
#[require(kv_heads <= heads)]
pub struct Net {
    #[param(heads, ffn, ffn, hidden)]
    conv: Conv2d,
}

#[mlx_model]
impl Net {
    pub fn largest(&self, x: Tensor![B, hidden]) -> Tensor![B, ffn] {
        topk(x, ffn)
    }

    pub fn known(&self, x: Tensor![B, heads]) -> Tensor![B, kv_heads] {
        topk(x, kv_heads)
    }

    pub fn middle(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        partition(x, 3)
    }

    pub fn parts(&self, x: Tensor![B, hidden]) -> Tensor![B, ffn] {
        let (a, _) = split(x, [ffn, hidden - ffn], -1);
        a
    }

    pub fn wider(&self, x: Tensor![B, hidden]) -> Tensor![B, ffn] {
        pad(x, [(0, 0), (0, ffn - hidden)])
    }

    pub fn end(&self, x: Tensor![B, hidden]) -> Tensor![B, 4] {
        slice(x, [-4], [hidden], axes = [1])
    }

    pub fn rotated(&self, x: Tensor![B, heads, L, head_dim]) -> Tensor![B, heads, L, head_dim] {
        rope(x, 64)
    }

    pub fn sample(&self, x: Tensor![B, 4], y: Tensor![B, hidden]) -> (Tensor![B], Tensor![B]) {
        (var(x, -1, ddof = 4), std(y, -1, ddof = 1))
    }

    pub fn places(&self, x: Tensor![vocab, D]) -> Tensor![ffn, D] {
        take(x, arange(ffn), 0)
    }

    pub fn window(
        &self,
        x: Tensor![B, vocab, vocab, hidden],
    ) -> Tensor![B, vocab - ffn + 1, vocab - ffn + 1, heads] {
        self.conv(x)
    }
}

fn main() {}
