//! Operations that a layer adds to the graph of a forward pass, and to the graph of a loss with all gradients:
//! each is a launch of a kernel, or several. Views are not counted. T5's layer is one of the encoder with
//! one of the decoder. Prints a Markdown table.
//!
//! `cargo bench -p mlx-models --bench launches`

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use common::Dump;
use mlx_models::bert::Bert;
use mlx_models::dit::Dit;
use mlx_models::mamba2::Mamba2;
use mlx_models::t5::T5;
use mlx_models::{dispatch, CausalLm, Config, Visitor};
use mlx_runtime::low_level::graph::{export_to_dot, simplify, NodeNamer};
use mlx_runtime::model::{init, value_and_grad, Model};
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
                |m| m.forward(&text),
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

fn main() -> Result<()> {
    println!("| model | forward | with gradients | composed: forward | with gradients |");
    println!("|---|---|---|---|---|");
    let plain: &[&str] = &["num_hidden_layers"];
    for (case, fields) in [
        ("llama", plain),
        ("olmo2", plain),
        ("gptoss", plain),
        ("deepseek", plain),
        ("bert", plain),
        ("t5", &["num_layers", "num_decoder_layers"]),
        ("dit", &["depth"]),
        ("mamba2_biases", plain),
    ] {
        let [a, b] = a_layer(case, fields)?;
        let [c, d] = kernels::without(|| a_layer(case, fields))?;
        println!("| {case} | {a} | {b} | {c} | {d} |");
    }
    Ok(())
}
