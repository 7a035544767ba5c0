//! Models that would come out wrong if a fusion or a flag were: each compared with the same thing
//! written so that nothing is fused.

#![forbid(unsafe_code)]

use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::model::{
    self, add_lora, init, load, Checkpoint, LoadOptions, LoraConfig, Model, TrainOptions, TrainStep,
};
use mlx_runtime::nn::{Embedding, KvCache, Linear, RmsNorm, Rope};
use mlx_runtime::optim::AdamW;
use mlx_runtime::random::{self, Key};
use mlx_runtime::{ops, Array, Dtype, Result};
use mlx_tests::Config;

fn config() -> Arc<Config> {
    Arc::new(Config {
        hidden: 16,
        ffn: 24,
        heads: 4,
        kv_heads: 2,
        head_dim: 4,
        depth: 3,
        vocab: 11,
        eps: 1e-5,
    })
}

/// Loaded as from a file, so that weights are joined.
fn reload<M: Model<Config = Config>>(model: &M, dtype: Dtype) -> Result<M> {
    let weights: std::collections::HashMap<String, Array> =
        model.parameters().into_iter().collect();
    load(&config(), weights.into(), &LoadOptions::new(dtype))
}

fn close(a: &Array, b: &Array, limit: f32) -> Result<()> {
    let to = |x: &Array| mlx_runtime::ops::astype(x, Dtype::Float32)?.to_vec::<f32>();
    let (a, b) = (to(a)?, to(b)?);
    assert_eq!(a.len(), b.len());
    let top = b.iter().fold(1e-6f32, |m, x| m.max(x.abs()));
    for (x, y) in a.iter().zip(&b) {
        assert!((x - y).abs() <= limit * top, "{x} and {y}, largest {top}");
    }
    Ok(())
}

fn normal(shape: &[i32], dtype: Dtype) -> Result<Array> {
    random::normal(shape, dtype, 0.0, 1.0, Some(&Key::new(7)?))
}

/// The body names `up` first, the struct `gate`.
#[mlx_model(config = Config)]
#[derive(Clone, Debug)]
struct Gated {
    #[param(ffn, hidden)]
    gate: Linear,
    #[param(ffn, hidden)]
    up: Linear,
    #[lora]
    #[param(hidden, ffn)]
    down: Linear,
}

#[mlx_model]
impl Gated {
    fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.down(self.up(x) * silu(self.gate(x)))
    }

    /// Another input for each layer: nothing to join.
    fn apart(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let (a, b) = (x * 1.0, x + 0.0);
        self.down(self.up(a) * silu(self.gate(b)))
    }
}

#[test]
fn joined_weights_are_split_in_the_order_of_the_body() -> Result<()> {
    let fresh: Gated = init(&config(), Key::new(1)?, Dtype::Bfloat16)?;
    let model = reload(&fresh, Dtype::Bfloat16)?;
    let x = normal(&[2, 3, 16], Dtype::Bfloat16)?;
    close(&model.forward(&x)?, &model.apart(&x)?, 2e-2)
}

#[test]
fn a_model_prints_its_tensors() -> Result<()> {
    let model: Gated = init(&config(), Key::new(1)?, Dtype::Bfloat16)?;
    assert_eq!(
        format!("{model:?}"),
        "Gated { dtype: bfloat16, gate.weight: bfloat16[24, 16], up.weight: bfloat16[24, 16], \
         down.weight: bfloat16[16, 24], parameters: 1152 }"
    );
    // Alone in its list of traits.
    let model: Open = init(&config(), Key::new(1)?, Dtype::Float32)?;
    let text = format!("{model:?}");
    assert!(
        text.starts_with("Open { dtype: float32, wq.weight: float32[16, 16], "),
        "{text}"
    );
    Ok(())
}

#[test]
fn gradients_of_a_loss_are_its_slopes() -> Result<()> {
    let mut model: Gated = init(&config(), &Key::new(1)?, Dtype::Float32)?;
    let x = [normal(&[2, 3, 16], Dtype::Float32)?];
    let loss = |m: &Gated, x: &[Array]| Ok(vec![ops::sum(&m.forward(&x[0])?, &[], false)?]);
    let (value, grads) = model::value_and_grad(&model, &x, loss)?;
    let at = |m: &Gated| loss(m, &x)?[0].item::<f32>();
    assert!((value[0].item::<f32>()? - at(&model)?).abs() < 1e-5);
    let before: Vec<Array> = model.trainable().into_iter().map(|(_, a)| a).collect();
    assert_eq!((before.len(), grads.len()), (3, 3));
    for (i, grad) in grads.iter().enumerate() {
        // Along the gradient the slope is its squared length.
        let squared = ops::sum(&ops::square(grad)?, &[], false)?.item::<f32>()?;
        let mut beside = |step: f32| -> Result<f32> {
            let mut moved = before.clone();
            moved[i] = (&before[i] + grad * step).check()?;
            model.set_trainable(&moved)?;
            at(&model)
        };
        let h = 1e-2 / squared.sqrt();
        let slope = (beside(h)? - beside(-h)?) / (2.0 * h);
        assert!(
            (slope - squared).abs() < 1e-2 * squared,
            "{slope} {squared}"
        );
    }
    model.freeze();
    let error = model::value_and_grad(&model, &x, loss).unwrap_err();
    assert_eq!(
        error.hint(),
        Some("make weights trainable with `unfreeze()`")
    );
    Ok(())
}

#[test]
fn a_model_is_saved_and_loaded_by_name_and_shape() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let saved: Gated = init(&config(), Key::new(1)?, Dtype::Float32)?;
    saved.save(&path)?;
    // Its weights are joined, and of another dtype.
    let other: Gated = init(&config(), Key::new(2)?, Dtype::Float32)?;
    let mut other = reload(&other, Dtype::Bfloat16)?;
    other.load(&path)?;
    let x = normal(&[2, 3, 16], Dtype::Float32)?;
    let y = other.forward(&mlx_runtime::ops::astype(&x, Dtype::Bfloat16)?)?;
    close(&y, &saved.forward(&x)?, 0.02)?;
    assert_eq!(other.parameters()[0].1.dtype(), Dtype::Bfloat16);

    let mut smaller = (*config()).clone();
    smaller.ffn = 20;
    let mut smaller: Gated = init(&Arc::new(smaller), Key::new(1)?, Dtype::Float32)?;
    let before = smaller.parameters()[0].1.to_vec::<f32>()?;
    let error = smaller.load(&path).unwrap_err().to_string();
    assert!(
        error.contains("gate.weight: expected [20, 16], found [24, 16]"),
        "{error}"
    );
    assert!(error.contains("(3 problems)"), "{error}");
    assert_eq!(smaller.parameters()[0].1.to_vec::<f32>()?, before);
    let text = format!("{saved:?}");
    assert!(
        text.starts_with("Gated { dtype: float32, gate.weight: float32[24, 16], "),
        "{text}"
    );
    Ok(())
}

#[test]
fn joined_weights_that_have_trained_are_not_used() -> Result<()> {
    let fresh: Gated = init(&config(), Key::new(1)?, Dtype::Bfloat16)?;
    let mut model = reload(&fresh, Dtype::Bfloat16)?;
    model.unfreeze();
    let doubled: Result<Vec<Array>> = model
        .trainable()
        .iter()
        .map(|(_, a)| mlx_runtime::ops::add(a, a))
        .collect();
    model.set_trainable(&doubled?)?;
    model.freeze();
    let x = normal(&[1, 3, 16], Dtype::Bfloat16)?;
    close(&model.forward(&x)?, &model.apart(&x)?, 2e-2)
}

/// Returns the keys as well, so the cache's update has a second reader.
#[mlx_model(config = Config, dims(q = heads * head_dim, kv = kv_heads * head_dim))]
#[require(heads % kv_heads == 0)]
#[derive(Debug)]
struct Open {
    #[param(q, hidden)]
    wq: Linear,
    #[param(kv, hidden)]
    wk: Linear,
    #[param(kv, hidden)]
    wv: Linear,
    #[rope(head_dim)]
    rope: Rope,
}

#[mlx_model]
impl Open {
    fn forward(
        &self,
        x: Tensor![B, L, hidden],
        cache: &mut KvCache,
    ) -> (Tensor![B, L, q], Tensor![kv_heads]) {
        let q = self
            .wq(x)
            .reshape([B, L, heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let k = self
            .wk(x)
            .reshape([B, L, kv_heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let v = self
            .wv(x)
            .reshape([B, L, kv_heads, head_dim])
            .transpose([0, 2, 1, 3]);
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        let y = scaled_dot_product_attention(q, k, v, causal);
        (
            y.transpose([0, 2, 1, 3]).reshape([B, L, heads * head_dim]),
            k.sum([0, 2, 3]),
        )
    }
}

#[test]
fn a_cache_is_updated_once_a_call() -> Result<()> {
    let model: Open = init(&config(), Key::new(1)?, Dtype::Float32)?;
    let x = normal(&[1, 5, 16], Dtype::Float32)?;
    let (whole, keys) = model.forward(&x, &mut KvCache::off())?;
    let mut cache = KvCache::new();
    let mut last = None;
    for i in 0..5 {
        let token = mlx_runtime::ops::slice(&x, &[0, i, 0], &[1, i + 1, 16], &[1, 1, 1])?;
        let (y, k) = model.forward(&token, &mut cache)?;
        let want = mlx_runtime::ops::slice(&whole, &[0, i, 0], &[1, i + 1, 16], &[1, 1, 1])?;
        close(&y, &want, 1e-4)?;
        last = Some(k);
    }
    close(&last.expect("five tokens"), &keys, 1e-4)
}

/// A stack whose layers get whole numbers beside the activations.
#[mlx_model(config = Config)]
struct Layer {
    #[param(hidden, eps = eps)]
    norm: RmsNorm,
    #[frozen]
    #[param(vocab, hidden)]
    table: Embedding,
    #[lora]
    #[param(hidden, hidden)]
    mix: Linear,
}

#[mlx_model]
impl Layer {
    fn forward(
        &self,
        x: Tensor![B, L, hidden],
        tokens: Tensor![B, L; i32],
    ) -> Tensor![B, L, hidden] {
        x + self.mix(self.norm(x + self.table(tokens)))
    }
}

#[mlx_model(allow(unshifted_targets), config = Config)]
struct Stack {
    #[param(vocab, hidden)]
    embed: Embedding,
    #[layers(depth)]
    layers: Vec<Layer>,
    #[tied(embed)]
    #[param(vocab, hidden)]
    head: Linear,
}

#[mlx_model]
impl Stack {
    fn forward(&self, tokens: Tensor![B, L; i32]) -> Tensor![B, L, vocab] {
        let mut h = self.embed(tokens);
        for layer in self.layers {
            h = layer(h, tokens);
        }
        self.head(h)
    }

    fn loss(&self, tokens: Tensor![B, L; i32]) -> Tensor![; f32] {
        cross_entropy(self.forward(tokens), tokens).mean()
    }
}

fn losses(model: Stack, checkpoint: Checkpoint) -> Result<Vec<f32>> {
    let loss = |m: &Stack, b: &[Array]| Ok(vec![m.loss(&b[0])?]);
    let mut options = TrainOptions::default();
    options.checkpoint = Some(checkpoint);
    let mut step = TrainStep::new(model, loss, AdamW::default(), options)?;
    let tokens = Array::from_slice(&[1i32, 5, 3, 7, 2, 10], &[2, 3])?;
    (0..4)
        .map(|_| step.run(std::slice::from_ref(&tokens), 0.01)?[0].item::<f32>())
        .collect()
}

#[test]
fn every_tensor_trains_alike_with_and_without_checkpoints() -> Result<()> {
    let model: Stack = init(&config(), Key::new(3)?, Dtype::Float32)?;
    let plain = losses(model.clone(), Checkpoint::Never)?;
    assert!(plain[3] < plain[0]);
    for span in [1, 2, 3] {
        for (a, b) in plain
            .iter()
            .zip(losses(model.clone(), Checkpoint::Every(span))?)
        {
            assert!((a - b).abs() < 1e-5, "{a} and {b} at {span}");
        }
    }
    Ok(())
}

#[test]
fn frozen_layers_stay_frozen_and_adapters_stay() -> Result<()> {
    let mut model: Stack = init(&config(), Key::new(3)?, Dtype::Float32)?;
    model.unfreeze();
    assert!(model
        .trainable()
        .iter()
        .all(|(name, _)| !name.contains("table")));
    let keys = |list: &[&str]| list.iter().map(|k| k.to_string()).collect();
    let lora = |list: &[&str]| LoraConfig {
        rank: 2,
        scale: 1.0,
        keys: keys(list),
        num_layers: 2,
        ..LoraConfig::default()
    };
    assert!(add_lora(&mut model, &lora(&["mix", "other.mix"]), &Key::new(1)?).is_err());
    assert_eq!(add_lora(&mut model, &lora(&["mix"]), &Key::new(1)?)?, 2);
    let names: Vec<String> = model.trainable().into_iter().map(|(n, _)| n).collect();
    let want = [
        "layers.1.mix.lora_a",
        "layers.1.mix.lora_b",
        "layers.2.mix.lora_a",
        "layers.2.mix.lora_b",
    ];
    assert_eq!(names, want);
    // A key that names nothing changes nothing; freezing takes no adapter away.
    assert!(add_lora(&mut model, &lora(&["mx"]), &Key::new(1)?).is_err());
    model.freeze();
    assert_eq!(model.trainable().len(), 4);
    Ok(())
}

#[test]
fn a_state_of_other_tensors_is_refused() -> Result<()> {
    let adapted = |rank, key: &str| -> Result<TrainStep<Two>> {
        let mut model: Two = init(&config(), Key::new(3)?, Dtype::Float32)?;
        let lora = LoraConfig {
            rank,
            scale: 1.0,
            keys: vec![key.to_string()],
            num_layers: -1,
            ..LoraConfig::default()
        };
        add_lora(&mut model, &lora, &Key::new(1)?)?;
        let loss = |m: &Two, b: &[Array]| Ok(vec![m.loss(&b[0])?]);
        TrainStep::new(model, loss, AdamW::default(), TrainOptions::default())
    };
    let mut first = adapted(2, "first")?;
    let x = normal(&[3, 16], Dtype::Float32)?;
    first.run(std::slice::from_ref(&x), 0.1)?;
    let state = first.state();
    let get = |name: &str| {
        state
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, a)| a.clone())
    };
    // As many values, but of another layer.
    let error = adapted(2, "second")?.restore(get).unwrap_err();
    assert!(
        error.to_string().contains("other trainable tensors"),
        "{error}"
    );
    assert!(adapted(3, "first")?.restore(get).is_err());
    // The same: both go on alike, to the bit.
    let mut again = adapted(2, "first")?;
    again.restore(get)?;
    let next = |t: &mut TrainStep<Two>| t.run(std::slice::from_ref(&x), 0.1)?[0].item::<f32>();
    assert_eq!(next(&mut first)?.to_bits(), next(&mut again)?.to_bits());
    Ok(())
}

/// Two layers of one shape.
#[mlx_model(config = Config)]
struct Two {
    #[lora]
    #[param(hidden, hidden)]
    first: Linear,
    #[lora]
    #[param(hidden, hidden)]
    second: Linear,
}

#[mlx_model]
impl Two {
    fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.second(relu(self.first(x)))
    }

    fn loss(&self, x: Tensor![B, hidden]) -> Tensor![; float] {
        (self.forward(x) - x).square().mean()
    }
}

#[test]
fn all_that_is_wrong_with_a_checkpoint_comes_in_one_error() -> Result<()> {
    let fresh: Open = init(&config(), Key::new(1)?, Dtype::Float32)?;
    let mut weights: std::collections::HashMap<String, Array> =
        fresh.parameters().into_iter().collect();
    weights.remove("wq.weight");
    weights.insert(
        "wv.weight".into(),
        mlx_runtime::ops::zeros(&[3, 3], Dtype::Float32)?,
    );
    let error = load::<Open>(&config(), weights.into(), &LoadOptions::new(Dtype::Float32)).err();
    let text = error.expect("two tensors are wrong").to_string();
    assert!(text.contains("wq.weight: missing"), "{text}");
    assert!(
        text.contains("wv.weight: expected [kv, hidden] = [8, 16], found [3, 3]"),
        "{text}"
    );
    Ok(())
}

#[test]
fn weights_and_adapters_train_together() -> Result<()> {
    let mut model: Two = init(&config(), Key::new(3)?, Dtype::Float32)?;
    let lora = LoraConfig {
        rank: 2,
        scale: 1.0,
        keys: vec!["first".to_string()],
        num_layers: -1,
        ..LoraConfig::default()
    };
    add_lora(&mut model, &lora, &Key::new(1)?)?;
    model.unfreeze();
    assert_eq!(model.trainable().len(), 4);
    let loss = |m: &Two, b: &[Array]| Ok(vec![m.loss(&b[0])?]);
    let mut step = TrainStep::new(model, loss, AdamW::default(), TrainOptions::default())?;
    let x = normal(&[3, 16], Dtype::Float32)?;
    let mut run = || step.run(std::slice::from_ref(&x), 0.01)?[0].item::<f32>();
    let (first, _, last) = (run()?, run()?, run()?);
    assert!(last < first, "{first} to {last}");
    Ok(())
}
