use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::{Embedding, KvCache, Linear};
use mlx_runtime::{ops, Array, Dtype};

struct Config {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    window: usize,
    vocab: usize,
    length: usize,
}

#[mlx_model(config = Config, dims(q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(heads % kv_heads == 0)]
struct Net {
    #[param(vocab, q)]
    tokens: Embedding,
    #[param(length, q)]
    places: Embedding,
    #[param(q + 2 * kv, q)]
    qkv: Linear,
}

#[mlx_model]
impl Net {
    /// Parts with sizes, a cache, a sliding window, numbers by name.
    pub fn forward(&self, tokens: Tensor![B, L; i32], cache: &mut KvCache) -> Tensor![B, L, q] {
        let x = self.tokens(tokens) + self.places(cache.positions(tokens));
        let (a, b, c) = self.qkv(x).split([q, kv, kv], -1);
        let a = a.unflatten(-1, [heads, head_dim]).moveaxis(2, 1);
        let b = b.unflatten(-1, [kv_heads, head_dim]).moveaxis(2, 1);
        let c = c.unflatten(-1, [kv_heads, head_dim]).moveaxis(2, 1);
        let (b, c) = cache.update(b, c);
        let sinks = zeros([heads]);
        let y = scaled_dot_product_attention(a, b, c, sliding(config.window), scale = 0.5, sinks = sinks);
        let y = y.moveaxis(1, 2);
        y.flatten(2)
    }

    /// Pairs, sizes that may be left out, words, texts, limits.
    pub fn others(&self, x: Tensor![B, L, 8, 6]) -> (Tensor![B, L, 4, 6], Tensor![], Tensor![B, 6]) {
        let pooled = max_pool2d(x, [1, 2]);
        let padded = pad(x, [(0, 0), (0, 0), (0, 1), (1, 0)], constant_values = -1.0);
        let part = slice(padded, [0, 1], [8, 7], axes = [2, 3]);
        let loss = mse_loss(part, clip(x, a_max = 0.5), "sum");
        let scores = causal_mask(x, window = config.window);
        let summed = einsum("blhd->bd", [softmax(scores, -1)]);
        (pooled, loss, summed + arange(0, 12, 2, dtype = float))
    }
}

/// Sizes of arguments alone.
#[mlx_fn]
fn ramp(x: Tensor![A, B; f32]) -> Tensor![A, B; f32] {
    x + linspace(0, 1, B, dtype = f32) + topk(tile(x, [1, 2]), B)
}

fn main() -> mlx_runtime::Result<()> {
    let config = std::sync::Arc::new(Config {
        heads: 4,
        kv_heads: 2,
        head_dim: 3,
        window: 2,
        vocab: 7,
        length: 9,
    });
    let net: Net = mlx_runtime::model::init(&config, mlx_runtime::random::key(3)?, Dtype::Float32)?;
    let tokens = Array::from_slice(&[1i32, 4, 2, 6, 3], &[1, 5])?;
    let whole = net.forward(&tokens, &mut KvCache::off())?.to_vec::<f32>()?;
    // One token after the other sees the same positions and the same window.
    let mut cache = KvCache::new();
    let mut parts = Vec::new();
    for i in 0..5 {
        let one = ops::slice(&tokens, &[0, i], &[1, i + 1], &[1, 1])?;
        parts.extend(net.forward(&one, &mut cache)?.to_vec::<f32>()?);
    }
    assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-5));
    // A token outside of the window changes nothing.
    let other = Array::from_slice(&[5i32, 4, 2, 6, 3], &[1, 5])?;
    let other = net.forward(&other, &mut KvCache::off())?.to_vec::<f32>()?;
    assert!(whole[..12] != other[..12] && whole[24..] == other[24..]);
    let x = ops::ones(&[2, 3, 8, 6], Dtype::Float32)?;
    let (pooled, loss, summed) = net.others(&x)?;
    assert_eq!((pooled.shape(), summed.shape()), (&[2, 3, 4, 6][..], &[2, 6][..]));
    // Ones beside halves differ.
    assert!(loss.item::<f32>()? > 0.0);
    let y = ramp(&ops::ones(&[2, 3], Dtype::Float32)?)?;
    assert_eq!(y.to_vec::<f32>()?, [2.0, 2.5, 3.0, 2.0, 2.5, 3.0]);
    Ok(())
}
