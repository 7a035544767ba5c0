//! Operations that a layer adds to the graph of a forward pass, and to the graph of a loss with the gradients of all weights,
//! as kernels and composed of MLX's: the table in `docs/performance.md`, which `LAUNCHES_WRITE=1` writes. Each operation is a
//! launch of a kernel, or several; views are not counted. T5's layer is one of the encoder with one of the decoder.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::Dump;
use mlx_models::bert::Bert;
use mlx_models::dit::Dit;
use mlx_models::mamba2::Mamba2;
use mlx_models::t5::T5;
use mlx_models::{dispatch, CausalLm, Config, Visitor};
use mlx_runtime::device::DeviceType;
use mlx_runtime::low_level::graph::{export_to_dot, simplify, NodeNamer};
use mlx_runtime::model::{init, value_and_grad, Model};
use mlx_runtime::nn::KvCache;
use mlx_runtime::random::Key;
use mlx_runtime::{kernels, transforms, Array, Dtype, Result};
use serde_json::Value;

/// Operations that launch nothing: views of the same buffer, orders, and the dumps' inputs.
const VIEWS: &[&str] = &[
    "AsStrided",
    "Broadcast",
    "BroadcastAxes",
    "Depends",
    "ExpandDims",
    "Flatten",
    "Load",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "StopGradient",
    "Transpose",
    "Unflatten",
];

/// The operations that compute `arrays`.
fn count(arrays: &[Array]) -> Result<usize> {
    let arrays = simplify(&arrays.iter().collect::<Vec<_>>())?;
    let dot = export_to_dot(&NodeNamer::new()?, &arrays.iter().collect::<Vec<_>>())?;
    let operations = dot.lines().filter_map(|line| {
        let (_, label) = line.split_once("[label =\"")?;
        label
            .split_once("\", shape=rectangle")
            .map(|(name, _)| name)
    });
    Ok(operations.filter(|name| !VIEWS.contains(name)).count())
}

/// The operations of a forward pass, and of a loss with its gradients.
fn counts<M: Model>(
    config: M::Config,
    values: impl FnOnce(&M) -> Result<Array>,
    loss: impl Fn(&M) -> Result<Array> + Send + 'static,
) -> Result<[usize; 2]> {
    let mut model: M = init(&Arc::new(config), Key::new(1)?, Dtype::Float32)?;
    model.unfreeze();
    let all: Vec<Array> = model.trainable().into_iter().map(|(_, a)| a).collect();
    transforms::eval(&all.iter().collect::<Vec<_>>())?;
    let forward = count(&[values(&model)?])?;
    let (value, grads) = value_and_grad(&model, &[], move |m, _| Ok(vec![loss(m)?]))?;
    Ok([forward, count(&[value, grads].concat())?])
}

/// A case of the dumps with so many layers.
struct Case<'a> {
    dump: &'a Dump,
    config: Value,
}

impl Case<'_> {
    fn inputs<const N: usize>(&self, names: [&str; N]) -> [Array; N] {
        names.map(|name| self.dump.array(name).clone())
    }

    fn read<C: serde::de::DeserializeOwned>(&self) -> C {
        serde_json::from_value(self.config.clone()).expect("the dump's config")
    }
}

impl Visitor for Case<'_> {
    type Output = Result<[usize; 2]>;

    fn visit<M: CausalLm>(self) -> Self::Output {
        let config = Config::parse(&self.config.to_string()).expect("the dump's config");
        let [tokens, targets, weights] = self.inputs(["tokens", "targets", "weights"]);
        let text = tokens.clone();
        counts::<M>(
            config,
            |m| m.logits(&text, &mut mlx_runtime::nn::KvCache::off()),
            move |m| m.loss(&tokens, &targets, &weights),
        )
    }
}

fn measured(case: &str, run: Case<'_>) -> Result<[usize; 2]> {
    match case {
        "bert" => {
            let names = ["tokens", "types", "mask", "targets", "weights"];
            let [tokens, types, mask, targets, weights] = run.inputs(names);
            let [a, b, c] = run.inputs(["tokens", "types", "mask"]);
            counts::<Bert>(
                run.read(),
                |m| m.forward(&a, &b, &c),
                move |m| m.loss(&tokens, &types, &mask, &targets, &weights),
            )
        }
        "t5" => {
            let names = ["tokens", "mask", "answers", "targets", "weights"];
            let [tokens, mask, answers, targets, weights] = run.inputs(names);
            let [a, b, c] = run.inputs(["tokens", "mask", "answers"]);
            counts::<T5>(
                run.read(),
                |m| m.forward(&a, &b, &c),
                move |m| m.loss(&tokens, &mask, &answers, &targets, &weights),
            )
        }
        "dit" => {
            let [images, times, classes, noise] =
                run.inputs(["images", "times", "classes", "noise"]);
            let [a, b, c] = run.inputs(["images", "times", "classes"]);
            counts::<Dit>(
                run.read(),
                |m| m.forward(&a, &b, &c),
                move |m| m.loss(&images, &times, &classes, &noise),
            )
        }
        "mamba2_biases" => {
            let [tokens, targets, weights] = run.inputs(["tokens", "targets", "weights"]);
            let text = tokens.clone();
            counts::<Mamba2>(
                run.read(),
                |m| m.forward(&text, &mut KvCache::off()),
                move |m| m.loss(&tokens, &targets, &weights),
            )
        }
        _ => {
            let config = Config::parse(&run.config.to_string()).expect("the dump's config");
            dispatch(config.family, run)
        }
    }
}

/// The operations that a layer adds, the mean of two layers, because every other one may differ.
fn a_layer(case: &str, fields: &[&str]) -> Result<[f64; 2]> {
    let dump = Dump::open(case);
    let of = |layers: usize| {
        let mut config: Value = serde_json::from_str(&dump.config).expect("the dump's config");
        for field in fields {
            config[field] = layers.into();
        }
        measured(
            case,
            Case {
                dump: &dump,
                config,
            },
        )
    };
    let (few, more) = (of(2)?, of(4)?);
    Ok([0, 1].map(|i| (more[i] - few[i]) as f64 / 2.0))
}

/// The models, by their dumps, with the fields of the config that count layers.
const CASES: &[(&str, &str, &[&str])] = &[
    ("Llama", "llama", &["num_hidden_layers"]),
    ("Qwen 2", "qwen2", &["num_hidden_layers"]),
    ("Qwen 3", "qwen3", &["num_hidden_layers"]),
    ("Mistral", "mistral", &["num_hidden_layers"]),
    ("Phi 3", "phi3", &["num_hidden_layers"]),
    ("Gemma 2", "gemma2", &["num_hidden_layers"]),
    ("Gemma 3", "gemma3", &["num_hidden_layers"]),
    ("GPT-2", "gpt2", &["n_layer"]),
    ("OLMo 2", "olmo2", &["num_hidden_layers"]),
    ("GPT-OSS", "gptoss", &["num_hidden_layers"]),
    ("DeepSeek V2", "deepseek", &["num_hidden_layers"]),
    ("BERT", "bert", &["num_hidden_layers"]),
    ("T5", "t5", &["num_layers", "num_decoder_layers"]),
    ("DiT", "dit", &["depth"]),
    ("Mamba 2", "mamba2_biases", &["num_hidden_layers"]),
];

const HEAD: &str = "\
| | forward | composed | loss and gradients | composed |
|---|---|---|---|---|
";

#[test]
fn the_table_of_launches_is_current() {
    if mlx_runtime::device::default_device().is_ok_and(|d| d.kind() != DeviceType::Cpu) {
        println!("on a GPU, other kernels take part: the table is the CPU's");
        return;
    }
    let mut table = HEAD.to_string();
    for (name, case, fields) in CASES {
        let [forward, both] = a_layer(case, fields).unwrap();
        let [before, both_before] = kernels::without(|| a_layer(case, fields)).unwrap();
        assert!(forward < before && both < both_before, "{name}: no kernels");
        table += &format!("| {name} | {forward} | {before} | {both} | {both_before} |\n");
    }
    println!("{table}");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find(HEAD).expect("the page has no such table");
    let end = start + text[start..].find("\n\n").unwrap() + 1;
    if std::env::var_os("LAUNCHES_WRITE").is_some() {
        std::fs::write(&path, [&text[..start], &table, &text[end..]].concat()).unwrap();
        return;
    }
    let found = &text[start..end];
    assert_eq!(found, table, "write the page with LAUNCHES_WRITE=1");
}
