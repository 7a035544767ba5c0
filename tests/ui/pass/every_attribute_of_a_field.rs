use mlx_macros::mlx_model;
use mlx_runtime::nn::{Embedding, LayerNorm, Linear, Param, RmsNorm, Rope};
use mlx_tests::Config;

#[mlx_model(config = Config)]
#[require(hidden % head_dim == 0)]
pub struct Net {
    #[param(vocab, hidden)]
    #[weights("embed_tokens")]
    #[frozen]
    table: Embedding,
    #[lora]
    #[quantize(bits = 4, group_size = 64)]
    #[weights("self_attn.up" | "up", gguf = "ffn_up")]
    #[param(ffn, hidden, bias = false)]
    up: Linear,
    #[quantize(mode = "nvfp4")]
    #[param(hidden, hidden)]
    floats: Linear,
    #[quantize(never)]
    #[weights("down", transposed)]
    #[param(hidden, ffn)]
    down: Linear,
    #[weights("q" + "k", gguf = transposed("qk"))]
    #[param(hidden, hidden)]
    joined: Linear,
    #[weights("experts.{}.w.weight")]
    #[param(heads, hidden)]
    experts: Param,
    #[param(hidden, eps = eps)]
    norm: RmsNorm,
    #[param(hidden, eps = 1e-6, bias = true)]
    layer_norm: LayerNorm,
    #[rope(head_dim, base = 500000.0, traditional = true)]
    rope: Rope,
    #[tied(table)]
    #[param(vocab, hidden)]
    head: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, L, vocab] {
        let x = self.layer_norm(self.norm(self.joined(self.table(tokens))));
        let y = self.floats(x) + self.down(self.up(x)) + sum(self.experts, 0);
        let z = rearrange!("b l (h d) -> b h l d", y, d = head_dim);
        self.head(rearrange!("b h l d -> b l (h d)", self.rope(z, KvCache::off())))
    }
}

fn main() {}
