//! Models that are no stack of causal attention: values and every gradient within 1e-4 of the largest number of the
//! tensor, loss within 1e-5, float32 on the CPU, fused and composed, with and without gradient checkpoints; values in
//! bfloat16 within a tenth.
//! `dump_flax.py` writes the dumps of BERT, CLIP, T5 and Whisper, `dump_vision.py` the one of DiT,
//! `dump.py` those of DeepSeek V3, Mamba 2 and Qwen 3 Next.

mod common;

use common::{both_ways, close, gradients, trains, Dump};
use mlx_models::bert::Bert;
use mlx_models::clip::Clip;
use mlx_models::deepseek_v3::DeepseekV3;
use mlx_models::dit::Dit;
use mlx_models::mamba2::Mamba2;
use mlx_models::qwen3_next::Qwen3Next;
use mlx_models::t5::{self, T5};
use mlx_models::whisper::Whisper;
use mlx_runtime::model::{Checkpoint, Model};
use mlx_runtime::nn::KvCache;
use mlx_runtime::{ops, Array, Dtype, Result};
use serde::de::DeserializeOwned;

/// Compares a model with the dump of `case` in float32 and half precision: `values` with the array of that name, and
/// `loss`. Both get `inputs`.
fn check<M, const N: usize>(
    case: &str,
    inputs: [&str; N],
    (name, values): (&str, impl Fn(&M, &[Array; N]) -> Result<Array>),
    loss: impl Fn(&M, &[Array; N]) -> Result<Array> + Clone + Send + 'static,
) where
    M: Model,
    M::Config: DeserializeOwned,
{
    exact(case, inputs, (name, &values), loss.clone());
    let dump = Dump::open(case);
    // Half precision: 8 bits of each number, after all layers a tenth of the largest.
    let half = |a: &Array| ops::astype(a, Dtype::Bfloat16).unwrap();
    let inputs = inputs.map(|input| match input {
        "images" | "noise" | "sounds" => half(dump.array(input)),
        _ => dump.array(input).clone(),
    });
    let model: M = dump.load(config(&dump), Dtype::Bfloat16);
    let found = values(&model, &inputs).unwrap();
    assert_eq!(found.dtype(), Dtype::Bfloat16, "{case}");
    let found = ops::astype(&found, Dtype::Float32).unwrap();
    close(case, &found, dump.array(name), 1e-1);
    let found = loss(&model, &inputs).unwrap();
    assert_eq!(found.dtype(), Dtype::Float32, "{case}");
    close(case, &found, dump.array("loss"), 2e-2);
}

/// The comparison in float32; MLX's CPU multiplies with chosen matrices in no other dtype.
fn exact<M, const N: usize>(
    case: &str,
    inputs: [&str; N],
    (name, values): (&str, impl Fn(&M, &[Array; N]) -> Result<Array>),
    loss: impl Fn(&M, &[Array; N]) -> Result<Array> + Clone + Send + 'static,
) where
    M: Model,
    M::Config: DeserializeOwned,
{
    let dump = Dump::open(case);
    let model: M = dump.trainable(config(&dump));
    both_ways(|way| {
        let what = |part: &str| format!("{case}, {way}: {part}");
        let inputs = inputs.map(|name| dump.array(name).clone());
        let found = values(&model, &inputs).unwrap();
        close(&what(name), &found, dump.array(name), 1e-4);
        let loss = loss.clone();
        let loss = move |m: &M| loss(m, &inputs);
        gradients(&what("gradients"), &model, &dump, "", loss.clone());
        // Recomputed in the backward pass, a layer must still be the layer that it was.
        for cut in [Checkpoint::Every(1), Checkpoint::Every(2)] {
            trains(&what("steps"), &model, &dump, "", cut, loss.clone());
        }
    });
}

/// A text in parts, most of them of one token, has the logits of the whole text.
fn decodes(case: &str, dump: &Dump, tokens: &str, mut part: impl FnMut(&Array) -> Result<Array>) {
    let tokens = dump.array(tokens);
    let (batch, length) = (tokens.shape()[0], tokens.shape()[1]);
    let mut all = Vec::new();
    let mut at = 0;
    while at < length {
        let stop = if at == 0 { 3 } else { at + 1 };
        let tokens = ops::slice(tokens, &[0, at], &[batch, stop], &[1, 1]).unwrap();
        all.push(part(&tokens).unwrap());
        at = stop;
    }
    let found = ops::concatenate(&all.iter().collect::<Vec<_>>(), 1).unwrap();
    close(
        &format!("{case} in parts"),
        &found,
        dump.array("logits"),
        1e-4,
    );
}

fn config<C: DeserializeOwned>(dump: &Dump) -> C {
    serde_json::from_str(&dump.config).unwrap()
}

#[test]
fn bert_normalises_after_each_sum() {
    check(
        "bert",
        ["tokens", "types", "mask", "targets", "weights"],
        ("logits", |m: &Bert, [tokens, types, mask, ..]| {
            m.forward(tokens, types, mask)
        }),
        |m, [tokens, types, mask, targets, weights]| m.loss(tokens, types, mask, targets, weights),
    );
}

#[test]
fn dit_modulates_its_norms() {
    check(
        "dit",
        ["images", "times", "classes", "noise"],
        ("guess", |m: &Dit, [images, times, classes, _]| {
            m.forward(images, times, classes)
        }),
        |m, [images, times, classes, noise]| m.loss(images, times, classes, noise),
    );
}

#[test]
fn distances_fall_into_the_buckets_of_the_published_t5() {
    let dump = Dump::open("t5");
    for (name, buckets) in [("encoder", 16.0), ("decoder", 32.0)] {
        let found = t5::bucket(dump.array("distances"), buckets, 128.0).unwrap();
        let found = found.to_vec::<f32>().unwrap();
        assert_eq!(found, dump.floats(&format!("buckets.{name}")), "{name}");
    }
}

#[test]
fn t5_has_biases_of_distances() {
    for case in ["t5", "t5_tied"] {
        check(
            case,
            ["tokens", "mask", "answers", "targets", "weights"],
            ("logits", |m: &T5, [tokens, mask, answers, ..]| {
                m.forward(tokens, mask, answers)
            }),
            |m, [tokens, mask, answers, targets, weights]| {
                m.loss(tokens, mask, answers, targets, weights)
            },
        );
        let dump = Dump::open(case);
        let model: T5 = dump.load(config(&dump), Dtype::Float32);
        let mask = dump.array("mask");
        let memory = model.encode(dump.array("tokens"), mask).unwrap();
        let mut cache = KvCache::new();
        decodes(case, &dump, "answers", |answers| {
            model.decode(&memory, mask, answers, &mut cache)
        });
    }
}

#[test]
fn mamba2_is_an_attention_that_fades() {
    for case in ["mamba2_biases", "mamba2_tied"] {
        check(
            case,
            ["tokens", "targets", "weights"],
            ("logits", |m: &Mamba2, [tokens, ..]| {
                m.forward(tokens, &mut KvCache::off())
            }),
            |m, [tokens, targets, weights]| m.loss(tokens, targets, weights),
        );
        let dump = Dump::open(case);
        let model: Mamba2 = dump.load(config(&dump), Dtype::Float32);
        let mut cache = KvCache::new();
        decodes(case, &dump, "tokens", |tokens| {
            model.forward(tokens, &mut cache)
        });
    }
}

#[test]
fn qwen3_next_writes_what_its_state_lacks() {
    for case in ["qwen3next_plain", "qwen3next_tied"] {
        exact(
            case,
            ["tokens", "targets", "weights"],
            ("logits", |m: &Qwen3Next, [tokens, ..]| {
                m.forward(tokens, &mut KvCache::off())
            }),
            |m, [tokens, targets, weights]| m.loss(tokens, targets, weights),
        );
        let dump = Dump::open(case);
        let model: Qwen3Next = dump.load(config(&dump), Dtype::Float32);
        let mut cache = KvCache::new();
        decodes(case, &dump, "tokens", |tokens| {
            model.forward(tokens, &mut cache)
        });
    }
}

#[test]
fn clip_has_a_block_at_two_configs() {
    check(
        "clip",
        ["tokens", "images"],
        ("logits", |m: &Clip, [tokens, images]| {
            m.forward(tokens, images)
        }),
        |m, [tokens, images]| m.loss(tokens, images),
    );
}

#[test]
fn whisper_keeps_what_it_heard() {
    let turned = |sounds: &Array| ops::transpose(sounds, &[0, 2, 1]);
    check(
        "whisper",
        ["sounds", "answers", "targets", "weights"],
        ("logits", move |m: &Whisper, [sounds, answers, ..]| {
            let heard = m.encode(&turned(sounds)?)?;
            m.forward(&heard, answers, &mut KvCache::off())
        }),
        move |m, [sounds, answers, targets, weights]| {
            m.loss(&turned(sounds)?, answers, targets, weights)
        },
    );
    let dump = Dump::open("whisper");
    let model: Whisper = dump.load(config(&dump), Dtype::Float32);
    let heard = model
        .encode(&turned(dump.array("sounds")).unwrap())
        .unwrap();
    let mut cache = KvCache::new();
    decodes("whisper", &dump, "answers", |tokens| {
        model.forward(&heard, tokens, &mut cache)
    });
}

#[test]
fn deepseek_v3_caches_latent_vectors() {
    let case = "deepseekv3_groups";
    exact(
        case,
        ["tokens", "targets", "weights"],
        ("logits", |m: &DeepseekV3, [tokens, ..]| {
            m.forward(tokens, &mut KvCache::off())
        }),
        |m, [tokens, targets, weights]| m.loss(tokens, targets, weights),
    );
    let dump = Dump::open(case);
    let model: DeepseekV3 = dump.load(config(&dump), Dtype::Float32);
    let mut cache = KvCache::new();
    decodes(case, &dump, "tokens", |tokens| {
        model.forward(tokens, &mut cache)
    });
}
