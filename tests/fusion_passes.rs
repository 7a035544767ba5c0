//! Each pass over the graph beside the same model with the pass switched off: one text, two
//! switches, the same values and gradients. What each makes of a graph is tested in `mlx-macros/core`.

#![forbid(unsafe_code)]

use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::model::{add_lora, init, load, LoadOptions, LoraConfig, Model, Quantization};
use mlx_runtime::nn::{Linear, RmsNorm, Rope};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{kernels, memory, transforms, Array, Dtype, Result};
use mlx_tests::Config;

fn config() -> Arc<Config> {
    Arc::new(Config {
        hidden: 32,
        ffn: 64,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        depth: 1,
        vocab: 40,
        eps: 1e-5,
    })
}

/// A model with something for each pass.
trait Block: Model<Config = Config> {
    /// The weighted loss of `[x, targets, weights]`.
    fn total(&self, batch: &[Array]) -> Result<Array>;
}

macro_rules! block {
    ($name:ident, $($switches:tt)*) => {
        #[mlx_model(
            config = Config,
            dims(q = heads * head_dim, kv = kv_heads * head_dim),
            fuse($($switches)*)
        )]
        #[require(heads % kv_heads == 0)]
        struct $name {
            #[param(hidden, eps = eps)]
            first_norm: RmsNorm,
            #[lora]
            #[param(q, hidden)]
            wq: Linear,
            #[lora]
            #[param(kv, hidden)]
            wk: Linear,
            #[lora]
            #[param(kv, hidden)]
            wv: Linear,
            #[lora]
            #[param(hidden, q)]
            wo: Linear,
            #[rope(head_dim)]
            rope: Rope,
            #[param(hidden, eps = eps)]
            second_norm: RmsNorm,
            #[lora]
            #[param(ffn, hidden)]
            gate: Linear,
            #[lora]
            #[param(ffn, hidden)]
            up: Linear,
            #[lora]
            #[param(hidden, ffn)]
            down: Linear,
            #[lora]
            #[param(vocab, hidden)]
            head: Linear,
        }

        #[mlx_model]
        impl $name {
            fn attention(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
                let q = self.wq(x).reshape([B, L, heads, head_dim]).transpose([0, 2, 1, 3]);
                let k = self.wk(x).reshape([B, L, kv_heads, head_dim]).transpose([0, 2, 1, 3]);
                let v = self.wv(x).reshape([B, L, kv_heads, head_dim]).transpose([0, 2, 1, 3]);
                let (q, k) = (self.rope(q, cache), self.rope(k, cache));
                let (k, v) = cache.update(k, v);
                let y = scaled_dot_product_attention(q, k, v, causal);
                self.wo(y.transpose([0, 2, 1, 3]).reshape([B, L, q]))
            }

            fn loss(
                &self,
                x: Tensor![B, L, hidden],
                targets: Tensor![B, L; i32],
                weights: Tensor![B, L; f32],
            ) -> Tensor![; f32] {
                let h = x + self.attention(self.first_norm(x), KvCache::off());
                let n = self.second_norm(h);
                let y = h + self.down(silu(self.gate(n)) * self.up(n));
                let _unused = exp(y) + self.gate(y * 2.0).sum(-1, keepdims = true);
                let mixed = y * tanh(y * 0.5) + tanh(y * 0.5);
                (cross_entropy(self.head(mixed), targets) * weights).sum()
            }

            fn capped(
                &self,
                x: Tensor![B, L, hidden],
                targets: Tensor![B, L; i32],
                weights: Tensor![B, L; f32],
            ) -> Tensor![; f32] {
                let y = self.down(self.up(x) * gelu_approx(self.gate(x)));
                let z = tanh(self.head(y) / 2.5) * 2.5;
                cross_entropy(z, targets, weights, reduction = "mean")
            }
        }

        impl Block for $name {
            fn total(&self, batch: &[Array]) -> Result<Array> {
                let (x, targets, weights) = (&batch[0], &batch[1], &batch[2]);
                let (a, b) = (self.loss(x, targets, weights)?, self.capped(x, targets, weights)?);
                mlx_runtime::ops::add(&a, &b)
            }
        }
    };
}

block!(All, except());
block!(Nothing, off);
block!(NoDeadCode, except(dead_code));
block!(NoCommon, except(common_subexpressions));
block!(NoCrossEntropy, except(cross_entropy));
block!(NoSwiglu, except(swiglu));
block!(NoGeglu, except(geglu));
block!(NoAttention, except(attention));
block!(NoProjections, except(projections));
block!(NoLora, except(lora));
block!(NoDequantize, except(dequantize));
block!(NoKernels, except(kernels));
block!(NoUnits, except(swiglu, kernels));
block!(CrossEntropyAlone, only(cross_entropy));
block!(LoraAlone, only(projections, lora));

fn normal(shape: &[i32], seed: u64) -> Result<Array> {
    random::normal(shape, Dtype::Float32, 0.0, 1.0, Some(&Key::new(seed)?))
}

fn batch() -> Result<Vec<Array>> {
    let targets: Vec<i32> = (0..14).map(|i| (i * 17 + 5) % 40).collect();
    let weights: Vec<f32> = (0..14).map(|i| (i % 3) as f32 * 0.7).collect();
    Ok(vec![
        normal(&[2, 7, 32], 11)?,
        Array::from_slice(&targets, &[2, 7])?,
        Array::from_slice(&weights, &[2, 7])?,
    ])
}

/// The trained parameters and the form of the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Setup {
    /// All weights.
    Whole,
    /// Adapters beside joined, frozen weights.
    Adapters,
    /// Adapters beside packed weights.
    Packed,
    /// Nothing but the input: all weights are frozen and plain.
    Frozen,
}

/// The model with the same random weights whatever its switches.
fn model<M: Block>(setup: Setup) -> Result<M> {
    let fresh: M = init(&config(), Key::new(3)?, Dtype::Float32)?;
    if setup == Setup::Whole {
        return Ok(fresh);
    }
    let weights: std::collections::HashMap<String, Array> =
        fresh.parameters().into_iter().collect();
    let mut options = LoadOptions::new(Dtype::Float32);
    if setup == Setup::Packed {
        options.quantize = Some(Quantization::Affine {
            bits: 4,
            group_size: 32,
        });
    }
    let mut model: M = load(&config(), weights.into(), &options)?;
    let packed = model.parameters().iter().any(|(n, _)| n == "wq.scales");
    assert_eq!(packed, setup == Setup::Packed);
    if setup == Setup::Frozen {
        return Ok(model);
    }
    let keys = ["wq", "wk", "wv", "wo", "gate", "up", "down", "head"];
    let lora = LoraConfig {
        rank: 3,
        scale: 1.7,
        keys: keys.iter().map(ToString::to_string).collect(),
        num_layers: -1,
        ..LoraConfig::default()
    };
    add_lora(&mut model, &lora, &Key::new(5)?)?;
    // Fresh adapters are zero on one side, which would hide half of the gradients.
    let values: Result<Vec<Array>> = model
        .trainable()
        .iter()
        .zip(20..)
        .map(|((_, a), seed)| {
            mlx_runtime::ops::multiply(&normal(a.shape(), seed)?, &Array::scalar(0.2f32)?)
        })
        .collect();
    model.set_trainable(&values?)?;
    Ok(model)
}

/// The loss, and its gradients with respect to the input and each trained tensor; not evaluated.
fn graph<M: Block + Send + 'static>(setup: Setup) -> Result<Vec<(String, Array)>> {
    let model: M = model(setup)?;
    let batch = batch()?;
    let (names, params): (Vec<String>, Vec<Array>) = model.trainable().into_iter().unzip();
    let (x, fixed) = (batch[0].clone(), batch[1..].to_vec());
    let f = move |p: &[Array]| {
        let mut model = model.clone();
        model.set_trainable(&p[1..])?;
        Ok(vec![model.total(&[&p[..1], &fixed[..]].concat())?])
    };
    let inputs: Vec<Array> = [x].into_iter().chain(params).collect();
    let argnums: Vec<i32> = (0..inputs.len() as i32).collect();
    let (values, grads) = transforms::value_and_grad(f, &argnums).call(&inputs)?;
    let names = ["loss".to_string(), "x".to_string()]
        .into_iter()
        .chain(names);
    Ok(names.zip(values.into_iter().chain(grads)).collect())
}

/// As [`graph`], evaluated.
fn gradients<M: Block + Send + 'static>(setup: Setup) -> Result<Vec<(String, Array)>> {
    let all = graph::<M>(setup)?;
    transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    Ok(all)
}

/// Operations of the forward and backward pass, views not counted.
fn kernels<M: Block + Send + 'static>(setup: Setup) -> Result<usize> {
    let all = graph::<M>(setup)?;
    Ok(memory::forecast(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?.kernels)
}

#[test]
fn passes_change_what_runs() -> Result<()> {
    if default_device()?.kind() == DeviceType::Gpu {
        println!("on a GPU, passes are not counted: the counts are those of the CPU's kernels");
        return Ok(());
    }
    // The CPU's own kernels, each for several of MLX's.
    let all = kernels::<All>(Setup::Whole)?;
    for (name, without) in [
        ("attention", kernels::<NoAttention>(Setup::Whole)?),
        ("kernels", kernels::<NoKernels>(Setup::Whole)?),
    ] {
        assert!(all < without, "{name}: {all} with it, {without} without");
    }
    // A gated unit that no pass knows is a kernel, too.
    let (with, without) = (
        kernels::<NoKernels>(Setup::Whole)?,
        kernels::<NoUnits>(Setup::Whole)?,
    );
    assert!(with < without, "swiglu: {with} and {without}");
    kernels::without(|| {
        for setup in [Setup::Adapters, Setup::Packed, Setup::Frozen] {
            let (with, without) = (kernels::<All>(setup)?, kernels::<NoProjections>(setup)?);
            assert!(
                with < without,
                "projections, {setup:?}: {with} and {without}"
            );
        }
        // A kernel computes the same value once, too.
        let (with, without) = (
            kernels::<All>(Setup::Whole)?,
            kernels::<NoCommon>(Setup::Whole)?,
        );
        assert!(
            with < without,
            "common_subexpressions: {with} and {without}"
        );
        // One product instead of three, and of two; their results are views of one.
        let operations = |all: &[(String, Array)]| {
            let arrays: Vec<&Array> = all.iter().map(|(_, a)| a).collect();
            Ok::<usize, mlx_runtime::Error>(memory::forecast(&arrays)?.operations)
        };
        let with = operations(&graph::<All>(Setup::Adapters)?)?;
        let without = operations(&graph::<NoLora>(Setup::Adapters)?)?;
        assert!(with < without, "lora: {with} and {without}");
        // MLX's CPU has no operation that dequantises: it takes several.
        let packed = kernels::<NoDequantize>(Setup::Packed)?;
        assert!(kernels::<All>(Setup::Packed)? > packed);
        // The loss goes over its rows in parts, and the backward pass does so again.
        assert!(kernels::<All>(Setup::Adapters)? > kernels::<NoCrossEntropy>(Setup::Adapters)?);
        Ok(())
    })
}

fn compare(what: &str, a: &[(String, Array)], b: &[(String, Array)]) -> Result<()> {
    assert_eq!(a.len(), b.len());
    for ((name, a), (other, b)) in a.iter().zip(b) {
        assert_eq!(name, other);
        let (a, b) = (a.to_vec::<f32>()?, b.to_vec::<f32>()?);
        let top = b.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
        for (x, y) in a.iter().zip(&b) {
            assert!(
                (x - y).abs() <= 2e-5 * top,
                "{what}, {name}: {x} and {y}, largest {top}"
            );
        }
        assert!(
            b.iter().any(|x| *x != 0.0),
            "{what}, {name}: nothing to compare"
        );
    }
    Ok(())
}

/// With the pass and without it, on the CPU's own kernels and on MLX's operations, in all setups.
fn same<M: Block + Send + 'static>() -> Result<()> {
    for setup in [Setup::Whole, Setup::Adapters, Setup::Packed, Setup::Frozen] {
        let what = format!("{setup:?}");
        compare(&what, &gradients::<All>(setup)?, &gradients::<M>(setup)?)?;
        let composed = || -> Result<_> { Ok((gradients::<All>(setup)?, gradients::<M>(setup)?)) };
        let (with, without) = kernels::without(composed)?;
        compare(&format!("{what}, composed"), &with, &without)?;
    }
    Ok(())
}

macro_rules! tests {
    ($($test:ident: $model:ident),* $(,)?) => {
        $(#[test] fn $test() -> Result<()> { same::<$model>() })*
    };
}

tests! {
    all: Nothing,
    dead_code: NoDeadCode,
    common_subexpressions: NoCommon,
    cross_entropy: NoCrossEntropy,
    swiglu: NoSwiglu,
    geglu: NoGeglu,
    attention: NoAttention,
    projections: NoProjections,
    lora: NoLora,
    dequantize: NoDequantize,
    kernels_of_regions: NoKernels,
    cross_entropy_alone: CrossEntropyAlone,
    lora_alone: LoraAlone,
}
