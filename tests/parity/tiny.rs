//! Tiny Llamas of formula weights: each feature of the family, each way through the runtime.

use std::sync::Arc;

use mlx_models::{llama::Llama, Config};
use mlx_runtime::model::{
    self, Checkpoint, LoadOptions, LoraConfig, Model, ParamGroups, TrainOptions, TrainStep,
};
use mlx_runtime::nn::KvCache;
use mlx_runtime::optim::AdamW;
use mlx_runtime::{kernels, ops, random, Array, Dtype};
use serde_json::Value;

use crate::dump::{close, Dump};
use crate::formula;

/// Every dump.
pub const ALL: [&str; 5] = [
    "plain",
    "traditional_tied",
    "llama3",
    "attention_bias",
    "odd",
];

/// Both ways to compute: the device's own operations, and compositions of MLX's.
fn both_ways(check: impl Fn(&str)) {
    check("fused");
    kernels::without(|| check("composed"));
}

/// The sizes as mlx-lm had them.
pub fn config(facts: &Value) -> Config {
    let mut config = facts["config"].clone();
    config["model_type"] = "llama".into();
    Config::parse(&config.to_string()).unwrap()
}

/// The model of that config, with formula weights.
pub fn llama(config: Config, dtype: Dtype) -> Llama {
    let config = Arc::new(config);
    let shapes: Llama = model::init(&config, random::key(0).unwrap(), Dtype::Float32).unwrap();
    let weights: std::collections::HashMap<String, Array> = shapes
        .parameters()
        .into_iter()
        .map(|(name, a)| (name.clone(), formula::weight(&name, a.shape()).unwrap()))
        .collect();
    model::load(&config, weights.into(), &LoadOptions::new(dtype)).unwrap()
}

/// Adapters of formula weights.
pub fn adapt(llama: &mut Llama, lora: &LoraConfig, b_limit: f64) {
    model::add_lora(llama, lora, &random::key(0).unwrap()).unwrap();
    let start: Vec<Array> = llama
        .trainable()
        .iter()
        .map(|(name, a)| formula::adapter(name, a.shape(), b_limit).unwrap())
        .collect();
    llama.set_trainable(&start).unwrap();
}

/// A dumped batch as the loss takes it: tokens, targets, and 1 where mlx-lm's mask is.
pub fn batch(dump: &Dump, tokens: &str) -> [Array; 3] {
    let all = dump.array(tokens);
    let (rows, width) = (all.shape()[0], all.shape()[1] - 1);
    let part = |from, to| ops::slice(all, &[0, from], &[rows, to], &[1, 1]).unwrap();
    let weights: Vec<f32> = dump
        .ints("lengths")
        .chunks(2)
        .flat_map(|l| (1..=width).map(|step| f32::from(u8::from(step >= l[0] && step <= l[1]))))
        .collect();
    let weights = Array::from_slice(&weights, &[rows, width]).unwrap();
    [part(0, width), part(1, width + 1), weights]
}

pub fn lora_of(dump: &Dump) -> LoraConfig {
    LoraConfig {
        rank: dump.facts["rank"].as_u64().unwrap() as usize,
        scale: dump.facts["scale"].as_f64().unwrap() as f32,
        keys: dump.names("keys"),
        num_layers: -1,
        ..LoraConfig::default()
    }
}

pub fn logits(llama: &Llama, tokens: &Array) -> Vec<f32> {
    let y = llama.forward(tokens, &mut KvCache::off()).unwrap();
    let y = ops::astype(&y, Dtype::Float32).unwrap();
    y.to_vec().unwrap()
}

fn check(name: &str) {
    let dump = Dump::open(&format!("tiny_{name}"));
    let mut llama = llama(config(&dump.facts), Dtype::Float32);
    let [tokens, targets, weights] = batch(&dump, "tokens");
    both_ways(|way| {
        let what = |part: &str| format!("{name}, {way}: {part}");
        close(
            &what("logits"),
            &logits(&llama, &tokens),
            &dump.floats("logits"),
            1e-4,
        );
        let loss = llama
            .loss(&tokens, &targets, &weights)
            .unwrap()
            .to_vec()
            .unwrap();
        close(&what("loss"), &loss, &dump.floats("loss"), 1e-5);
        generates_the_same(&what("cache"), &llama, &tokens);
    });
    adapt(
        &mut llama,
        &lora_of(&dump),
        dump.facts["b_limit"].as_f64().unwrap(),
    );
    both_ways(|way| {
        let what = format!("{name}, {way}: logits with adapters");
        close(
            &what,
            &logits(&llama, &tokens),
            &dump.floats("adapted_logits"),
            1e-4,
        );
        let batch = [tokens.clone(), targets.clone(), weights.clone()];
        for cut in [
            Checkpoint::Never,
            Checkpoint::Every(1),
            Checkpoint::Every(2),
            Checkpoint::Auto,
        ] {
            gradients(
                &format!("{name}, {way}, {cut:?}"),
                &llama,
                &batch,
                cut,
                &dump,
            );
        }
    });
}

/// Loss and gradients of one training step. With a first decay of 0, Adam's first average is the gradient itself.
fn gradients(what: &str, llama: &Llama, batch: &[Array], cut: Checkpoint, dump: &Dump) {
    let adam = AdamW {
        betas: (0.0, 0.999),
        weight_decay: 0.0,
        ..AdamW::default()
    };
    let mut options = TrainOptions::default();
    options.checkpoint = Some(cut);
    let loss = |m: &Llama, b: &[Array]| Ok(vec![m.loss(&b[0], &b[1], &b[2])?]);
    let mut step = TrainStep::new(llama.clone(), loss, adam, options).unwrap();
    let value = step.run(batch, 1e-3).unwrap();
    close(
        &format!("{what}: loss"),
        &value[0].to_vec().unwrap(),
        &dump.floats("adapted_loss"),
        1e-5,
    );
    let state = step.state();
    let (_, averages) = state
        .iter()
        .find(|(name, _)| name == "optim.adamw.m.0")
        .unwrap();
    let (names, tensors): (Vec<_>, Vec<_>) = llama.trainable().into_iter().unzip();
    let groups = ParamGroups::new(&tensors).unwrap();
    let ours = groups.scatter(std::slice::from_ref(averages)).unwrap();
    for (name, ours) in names.iter().zip(&ours) {
        close(
            &format!("{what}: {name}"),
            &ours.to_vec().unwrap(),
            &dump.floats(&format!("grad.{name}")),
            1e-4,
        );
    }
    assert_eq!(names.len(), ours.len(), "{what}");
}

/// Through a cache, in pieces of several sizes, as all at once.
fn generates_the_same(what: &str, llama: &Llama, tokens: &Array) {
    let (rows, width) = (tokens.shape()[0], tokens.shape()[1]);
    let whole = logits(llama, tokens);
    for pieces in [vec![1; width as usize], vec![4, 1, 3, 1, 1, 1]] {
        let (mut cache, mut at, mut parts) = (KvCache::new(), 0, Vec::new());
        for n in pieces {
            let piece = ops::slice(tokens, &[0, at], &[rows, at + n], &[1, 1]).unwrap();
            parts.push(llama.forward(&piece, &mut cache).unwrap());
            at += n;
        }
        assert_eq!(at, width);
        let all = ops::concatenate(&parts.iter().collect::<Vec<_>>(), 1).unwrap();
        close(what, &all.to_vec::<f32>().unwrap(), &whole, 1e-4);
    }
}

#[test]
fn plain() {
    check("plain");
}

#[test]
fn neighbouring_pairs_and_a_tied_table() {
    check("traditional_tied");
}

#[test]
fn llama_3_rotations() {
    check("llama3");
}

#[test]
fn biases_in_attention() {
    check("attention_bias");
}

#[test]
fn odd_sizes_linear_scaling_and_biases_in_the_mlp() {
    check("odd");
}

/// Half precision has its own paths; 8 bits of precision are what can be asked of them.
#[test]
fn bfloat16_is_near() {
    for name in ALL {
        let dump = Dump::open(&format!("tiny_{name}"));
        let mut llama = llama(config(&dump.facts), Dtype::Bfloat16);
        let [tokens, targets, weights] = batch(&dump, "tokens");
        close(name, &logits(&llama, &tokens), &dump.floats("logits"), 3e-2);
        adapt(
            &mut llama,
            &lora_of(&dump),
            dump.facts["b_limit"].as_f64().unwrap(),
        );
        let loss = llama
            .loss(&tokens, &targets, &weights)
            .unwrap()
            .to_vec()
            .unwrap();
        close(name, &loss, &dump.floats("adapted_loss"), 1e-2);
    }
}
