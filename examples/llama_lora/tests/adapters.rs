//! Covers adapters in training: their numbers are mlx-lm's, on linear maps, tables and heads, with DoRA and with dropout.
//!
//! `adapters/dump.py` dumped the losses of mlx-lm.

#![allow(missing_docs)]

use std::path::Path;
use std::sync::Arc;

use mlx_models::llama::Llama;
use mlx_models::mixtral::Mixtral;
use mlx_models::{CausalLm, Config};
use mlx_runtime::model::{
    add_lora, init, load, set_dropout_key, Checkpoint, LoadOptions, LoraConfig, LoraPattern, Model,
    TrainOptions, TrainStep,
};
use mlx_runtime::optim::{Adam, Parts};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{io, ops, Array, Dtype};
use serde_json::Value;

const ATTENTION: [&str; 2] = ["self_attn.q_proj", "self_attn.v_proj"];
const ALL: [&str; 5] = [
    "self_attn.q_proj",
    "self_attn.v_proj",
    "mlp.down_proj",
    "model.embed_tokens",
    "lm_head",
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuse/lora/model")
}

fn model(tied: bool) -> Llama {
    let text = std::fs::read_to_string(folder().join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["tie_word_embeddings"] = tied.into();
    let config = Arc::new(Config::parse(&config.to_string()).unwrap());
    let mut weights = io::load_safetensors_folder(folder()).unwrap();
    if !tied {
        let head = values(weights["model.embed_tokens.weight"].shape());
        weights.insert("lm_head.weight".into(), head);
    }
    load(&config, weights.into(), &LoadOptions::new(Dtype::Float32)).unwrap()
}

fn batch(dump: &Value) -> Vec<Array> {
    let rows: Vec<i32> = dump["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|r| r.as_array().unwrap())
        .map(|n| n.as_i64().unwrap() as i32)
        .collect();
    let all = Array::from_slice(&rows, &[2, 13]).unwrap();
    let part = |from: i32, to: i32| ops::slice(&all, &[0, from], &[2, to], &[1, 1]).unwrap();
    vec![
        part(0, 12),
        part(1, 13),
        ops::ones(&[2, 12], Dtype::Float32).unwrap(),
    ]
}

/// Small values that any language computes alike.
fn values(shape: &[i32]) -> Array {
    let n: i32 = shape.iter().product();
    let values = (0..n as usize).map(|k| ((k * 7919 % 1000) as f64 / 1000.0 - 0.5) * 0.2);
    let values: Vec<f32> = values.map(|x| x as f32).collect();
    Array::from_slice(&values, shape).unwrap()
}

/// The values that adapters begin with; norms are the model's.
fn begin(model: &mut Llama) {
    let all: Vec<Array> = model
        .trainable()
        .into_iter()
        .map(|(name, a)| {
            if name.ends_with(".m") {
                return a;
            }
            values(a.shape())
        })
        .collect();
    model.set_trainable(&all).unwrap();
}

fn config(keys: &[&str]) -> LoraConfig {
    LoraConfig {
        rank: 3,
        scale: 4.0,
        keys: keys.iter().map(|k| (*k).to_owned()).collect(),
        ..LoraConfig::default()
    }
}

/// The loss; the fourth array of the batch is the key of the zeros.
fn loss(model: &Llama, batch: &[Array]) -> mlx_runtime::Result<Vec<Array>> {
    let mut model = model.clone();
    if let Some(key) = batch.get(3) {
        set_dropout_key(&mut model, Some(&Key::from_array(key.clone())?))?;
    }
    Ok(vec![CausalLm::loss(
        &model, &batch[0], &batch[1], &batch[2],
    )?])
}

fn adam() -> Adam {
    Adam {
        learning_rate: 1e-2,
        betas: (0.9, 0.999),
        eps: 1e-3,
        bias_correction: false,
    }
}

fn losses(model: Llama, batch: &[Array], ratio: f32, options: TrainOptions) -> Vec<f64> {
    let optimizer = Parts::new(adam()).with(|name, _| name.ends_with(".lora_b"), adam(), ratio);
    let mut step = TrainStep::new(model, loss, optimizer, options).unwrap();
    (0..10)
        .map(|i| {
            let key = random::key(100 + i).unwrap();
            let all = [batch, &[key.as_array().clone()]].concat();
            f64::from(step.run(&all, 1e-2).unwrap()[0].item::<f32>().unwrap())
        })
        .collect()
}

#[test]
fn ten_steps_are_mlx_lms() {
    let dump: Value = serde_json::from_str(include_str!("adapters/dump.json")).unwrap();
    let batch = batch(&dump);
    let tied = [ATTENTION[0], ATTENTION[1], "model.embed_tokens"];
    for (name, keys, change) in [
        ("lora", &ATTENTION[..], None::<fn(&mut LoraConfig)>),
        ("lora all", &ALL, None),
        ("lora tied", &tied, None),
        ("dora", &ATTENTION, None),
        ("dora all", &ALL, None),
        ("dora tied", &tied, None),
        ("dropout", &ALL[..3], Some(|c| c.dropout = 0.25)),
        ("dropout dora", &ATTENTION, Some(|c| c.dropout = 0.25)),
        ("lora plus", &ATTENTION, None),
    ] {
        let ratio = if name == "lora plus" { 16.0 } else { 1.0 };
        let mut lora = config(keys);
        lora.dora = name.contains("dora");
        change.into_iter().for_each(|c| c(&mut lora));
        // With every layer run again in the backward pass the numbers are the same.
        for checkpoint in [Checkpoint::Never, Checkpoint::Every(1)] {
            let mut model = model(name.contains("tied"));
            add_lora(&mut model, &lora, &random::key(0).unwrap()).unwrap();
            begin(&mut model);
            let options = TrainOptions::new().checkpoint(checkpoint);
            let found = losses(model, &batch, ratio, options);
            for (i, wanted) in dump["losses"][name].as_array().unwrap().iter().enumerate() {
                let wanted = wanted.as_f64().unwrap();
                assert!(
                    (found[i] - wanted).abs() < 1e-4 * wanted,
                    "{name}, {checkpoint:?}, step {i}: {}, not {wanted}",
                    found[i]
                );
            }
        }
    }
}

#[test]
fn a_key_decides_which_inputs_are_dropped() {
    let dump: Value = serde_json::from_str(include_str!("adapters/dump.json")).unwrap();
    let batch = batch(&dump);
    let mut model = model(false);
    let mut lora = config(&ALL);
    lora.dropout = 0.5;
    add_lora(&mut model, &lora, &random::key(0).unwrap()).unwrap();
    begin(&mut model);
    let of = |seed: Option<u64>| {
        let mut model = model.clone();
        let key = seed.map(|s| random::key(s).unwrap());
        set_dropout_key(&mut model, key.as_ref()).unwrap();
        let loss = CausalLm::loss(&model, &batch[0], &batch[1], &batch[2]).unwrap();
        loss.item::<f32>().unwrap()
    };
    assert_eq!(of(Some(1)), of(Some(1)));
    assert_ne!(of(Some(1)), of(Some(2)));
    assert_ne!(of(Some(1)), of(None));
    lora.dropout = 1.0;
    assert!(add_lora(&mut model, &lora, &random::key(0).unwrap()).is_err());
}

#[test]
fn ranks_and_scales_may_differ_by_layer() {
    let mut model = model(false);
    let mut lora = config(&ATTENTION);
    let pattern = |key: &str, rank: usize, scale: f32| LoraPattern {
        key: key.into(),
        rank,
        scale,
    };
    lora.patterns = vec![
        pattern("layers.0.self_attn.q_proj", 5, 1.0),
        pattern("proj", 9, 9.0),
        pattern("v_proj", 2, 8.0),
    ];
    let error = add_lora(&mut model, &lora, &random::key(0).unwrap()).unwrap_err();
    assert!(error.to_string().contains("called proj"), "{error}");
    lora.patterns.remove(1);
    add_lora(&mut model, &lora, &random::key(0).unwrap()).unwrap();
    let ranks: Vec<(String, i32)> = model
        .trainable()
        .into_iter()
        .filter(|(n, _)| n.ends_with("lora_a"))
        .map(|(n, a)| (n, a.shape()[1]))
        .collect();
    let wanted = [
        ("model.layers.0.self_attn.q_proj.lora_a", 5),
        ("model.layers.0.self_attn.v_proj.lora_a", 2),
    ];
    assert_eq!(ranks, wanted.map(|(n, r)| (n.to_owned(), r)));
    // Side by side with others or alone, each has its own scale.
    begin(&mut model);
    let dump: Value = serde_json::from_str(include_str!("adapters/dump.json")).unwrap();
    let batch = batch(&dump);
    let of = |m: &Llama| loss(m, &batch).unwrap()[0].item::<f32>().unwrap();
    let together = of(&model);
    let mut merged = self::model(false);
    let scales = [1.0, 8.0f32];
    let deltas: Vec<Array> = model
        .trainable()
        .chunks(2)
        .zip(scales)
        .map(|(pair, scale)| {
            let product = ops::matmul(&pair[0].1, &pair[1].1).unwrap();
            let scaled = ops::multiply(&product, Array::scalar(scale).unwrap()).unwrap();
            ops::transpose(&scaled, &[1, 0]).unwrap()
        })
        .collect();
    merged.unfreeze();
    let all: Vec<Array> = merged
        .trainable()
        .into_iter()
        .map(|(name, w)| {
            let at = wanted
                .iter()
                .position(|(n, _)| n.strip_suffix("lora_a") == name.strip_suffix("weight"));
            at.map_or(w.clone(), |i| ops::add(&w, &deltas[i]).unwrap())
        })
        .collect();
    merged.set_trainable(&all).unwrap();
    assert!((together - of(&merged)).abs() < 1e-5);
}

#[test]
fn layers_that_cannot_be_adapted_are_refused() {
    let mut tied = model(true);
    // The head has no weight of its own: the table has.
    let error = add_lora(&mut tied, &config(&["lm_head"]), &random::key(0).unwrap());
    let error = error.unwrap_err();
    assert!(
        format!("{error} {:?}", error.hint()).contains("model.embed_tokens"),
        "{error}"
    );
    let config_of_experts = serde_json::json!({
        "model_type": "mixtral", "hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 32, "rms_norm_eps": 1e-5,
        "rope_theta": 1e4, "num_local_experts": 2, "num_experts_per_tok": 1, "max_position_embeddings": 64
    });
    let sizes = Arc::new(Config::parse(&config_of_experts.to_string()).unwrap());
    let mut experts: Mixtral = init(&sizes, random::key(0).unwrap(), Dtype::Float32).unwrap();
    let mut lora = config(&["switch_mlp.down_proj"]);
    add_lora(&mut experts, &lora, &random::key(0).unwrap()).unwrap();
    lora.dora = true;
    let error = add_lora(&mut experts, &lora, &random::key(0).unwrap()).unwrap_err();
    assert!(error.to_string().contains("DoRA cannot adapt"), "{error}");
}
