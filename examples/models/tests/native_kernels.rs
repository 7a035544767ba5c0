//! A Llama with adapters, computed by the operations of this project for the device, and composed of
//! MLX's: the same loss and the same gradients. On a GPU run it with `MLX_ENABLE_TF32=0`.

use std::collections::HashMap;
use std::sync::Arc;

use mlx_models::{llama::Llama, Config};
use mlx_runtime::model::{
    self, add_lora, Checkpoint, LoadOptions, LoraConfig, Model, Quantization, Started,
    TrainOptions, TrainStep,
};
use mlx_runtime::optim::AdamW;
use mlx_runtime::transforms::CompileMode;
use mlx_runtime::{kernels, ops, random, transforms, Array, Dtype, Result};

/// The settings that differ from case to case.
#[derive(Clone, Copy, Debug)]
struct Case {
    dtype: Dtype,
    head_dim: usize,
    traditional: bool,
    vocabulary: usize,
    length: i32,
    keys: &'static [&'static str],
    bits: Option<i32>,
}

const ATTENTION: &[&str] = &[
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
];
const SOME: &[&str] = &["self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj"];

const PLAIN: Case = Case {
    dtype: Dtype::Float32,
    head_dim: 64,
    traditional: false,
    vocabulary: 1000,
    length: 128,
    keys: ATTENTION,
    bits: None,
};

fn model(case: Case) -> Result<Llama> {
    loaded(case, case.dtype)
}

/// The same weights, rounded alike, in float32.
fn exactly(case: Case) -> Result<Llama> {
    loaded(case, Dtype::Float32)
}

fn loaded(case: Case, dtype: Dtype) -> Result<Llama> {
    let config = Arc::new(Config {
        hidden_size: 256,
        num_hidden_layers: 3,
        intermediate_size: 384,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: case.head_dim,
        vocab_size: case.vocabulary,
        rope_traditional: case.traditional,
        tie_word_embeddings: false,
        ..Config::default()
    });
    let fresh: Llama = model::init(&config, random::key(7)?, case.dtype)?;
    let weights: HashMap<String, Array> = fresh.parameters().into_iter().collect();
    // Loaded, so that weights are joined.
    let mut options = LoadOptions::new(dtype);
    if let Some(bits) = case.bits {
        options.quantize = Some(Quantization::Affine {
            bits,
            group_size: 64,
        });
    }
    let mut model: Llama = model::load(&config, weights.into(), &options)?;
    let lora = LoraConfig {
        rank: 8,
        scale: 4.0,
        keys: case.keys.iter().map(|k| (*k).to_owned()).collect(),
        num_layers: -1,
        ..LoraConfig::default()
    };
    add_lora(&mut model, &lora, &random::key(8)?)?;
    // Both matrices away from zero, so that each has a gradient.
    let mut values = Vec::new();
    for (i, (_, a)) in model.trainable().into_iter().enumerate() {
        let key = random::key(100 + i as u64)?;
        values.push(random::normal(
            a.shape(),
            Dtype::Float32,
            0.0,
            0.05,
            Some(&key),
        )?);
    }
    model.set_trainable(&values)?;
    Ok(model)
}

/// The loss, then the gradient of each adapter.
fn gradients(model: &Llama, case: Case) -> Result<Vec<(String, Array)>> {
    let names = model.trainable().into_iter().map(|(name, _)| name);
    let ids = |seed: u64| {
        let key = random::key(seed)?;
        let high = case.vocabulary as i32;
        random::randint(0, high, &[2, case.length], Dtype::Int32, &key)
    };
    let (tokens, targets) = (ids(1)?, ids(2)?);
    let weights = ops::ones(&[2, case.length], Dtype::Float32)?;
    let loss = |m: &Llama, b: &[Array]| Ok(vec![m.loss(&b[0], &b[1], &b[2])?]);
    let (loss, grads) = model::value_and_grad(model, &[tokens, targets, weights], loss)?;
    let named = std::iter::once("loss".to_owned()).chain(names);
    let all: Vec<(String, Array)> = named.zip(loss.into_iter().chain(grads)).collect();
    transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    Ok(all)
}

/// The largest difference of `a` and `b`, relative to the largest value of `b`. A NaN must not pass.
fn error(a: &Array, b: &Array) -> f32 {
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    let largest = b.iter().fold(0f32, |m, x| m.max(x.abs()));
    assert!(largest > 0.0, "zero");
    let apart = a.iter().zip(&b).map(|(a, b)| match (a - b).abs() {
        d if d.is_nan() => f32::INFINITY,
        d => d,
    });
    apart.fold(0f32, f32::max) / largest
}

#[track_caller]
fn check(case: Case) {
    let trained = model(case).unwrap();
    let native = gradients(&trained, case).unwrap();
    let composed = kernels::without(|| gradients(&trained, case).unwrap());
    if case.dtype == Dtype::Float32 {
        for ((name, a), (_, b)) in native.iter().zip(&composed) {
            let apart = error(a, b);
            assert!(apart <= 1e-4, "{case:?}: {name} is {apart:e} off");
        }
        return;
    }
    // Of 16 bits neither way is exact: both are held to the same weights in float32.
    let exact = kernels::without(|| gradients(&exactly(case).unwrap(), case).unwrap());
    for ((name, a), ((_, b), (_, c))) in native.iter().zip(composed.iter().zip(&exact)) {
        let (ours, theirs) = (error(a, c), error(b, c));
        assert!(
            ours <= 2.0 * theirs + 5e-3,
            "{case:?}: {name} is {ours:e} off, composed it is {theirs:e}"
        );
    }
}

#[test]
fn in_every_float() {
    for dtype in [Dtype::Float32, Dtype::Bfloat16, Dtype::Float16] {
        check(Case { dtype, ..PLAIN });
    }
}

#[test]
fn both_rotations() {
    for (traditional, head_dim) in [(true, 64), (true, 128), (false, 128), (false, 32)] {
        check(Case {
            traditional,
            head_dim,
            ..PLAIN
        });
    }
}

#[test]
fn odd_sizes() {
    // Short sequences have a separate attention kernel; longer ones are padded to whole tiles of 128.
    for (vocabulary, length) in [(1003, 128), (1000, 37), (777, 2), (900, 200), (900, 256)] {
        check(Case {
            vocabulary,
            length,
            ..PLAIN
        });
        check(Case {
            vocabulary,
            length,
            dtype: Dtype::Bfloat16,
            ..PLAIN
        });
    }
}

#[test]
fn adapters_on_some_layers() {
    check(Case {
        keys: SOME,
        ..PLAIN
    });
}

#[test]
fn packed_weights() {
    for bits in [4, 8] {
        check(Case {
            bits: Some(bits),
            ..PLAIN
        });
        check(Case {
            bits: Some(bits),
            keys: SOME,
            dtype: Dtype::Bfloat16,
            ..PLAIN
        });
    }
}

/// Steps recorded once, started before the one before is done, and one after the other: the same
/// losses and the same adapters.
#[test]
fn recorded_steps() {
    let losses = |compile: bool, cut: Checkpoint| -> Result<(Vec<f32>, Vec<Array>)> {
        let ids = |seed: u64, length: i32| {
            let (low, high) = (Array::scalar(0i32)?, Array::scalar(1000i32)?);
            let key = random::key(seed)?;
            random::randint(&low, &high, &[2, length], Dtype::Int32, Some(&key))
        };
        let mut options = TrainOptions::default();
        (options.compile, options.checkpoint) = (Some(compile), Some(cut));
        options.max_grad_norm = Some(1.0);
        let loss = |m: &Llama, b: &[Array]| Ok(vec![m.loss(&b[0], &b[1], &b[2])?]);
        let mut step = TrainStep::new(model(PLAIN)?, loss, AdamW::default(), options)?;
        let (mut all, mut before) = (Vec::new(), None);
        for i in 0..8 {
            // Two shapes take turns.
            let length = [128, 64][i % 2];
            let weights = ops::ones(&[2, length], Dtype::Float32)?;
            let batch = [ids(i as u64, length)?, ids(50 + i as u64, length)?, weights];
            if compile {
                let now = step.start(&batch, 1e-3)?;
                if let Some(started) = before.replace(now) {
                    all.push(Started::wait(started)?[0].item::<f32>()?);
                }
            } else {
                all.push(step.run(&batch, 1e-3)?[0].item::<f32>()?);
            }
        }
        if let Some(started) = before {
            all.push(started.wait()?[0].item::<f32>()?);
        }
        let trained = step.model()?.trainable().into_iter().map(|(_, a)| a);
        Ok((all, trained.collect()))
    };
    // Fusion on a CPU would call a compiler.
    transforms::compile_mode(CompileMode::NoFuse).unwrap();
    for cut in [Checkpoint::Never, Checkpoint::Every(1)] {
        let before = transforms::recordings();
        let (recorded, ours) = losses(true, cut).unwrap();
        assert_eq!(transforms::recordings() - before, 2, "one for each shape");
        let (plain, theirs) = losses(false, cut).unwrap();
        for (a, b) in recorded.iter().zip(&plain) {
            assert!((a - b).abs() <= 1e-5 * b.abs(), "{recorded:?} {plain:?}");
        }
        for (a, b) in ours.iter().zip(&theirs) {
            assert!(error(a, b) <= 1e-4);
        }
    }
}
