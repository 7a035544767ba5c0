//! Time to build and to drop the graph of a whole model: a Llama as the macros generate it, and mlx-lm's.
//!
//! `MLX_PYTHON=python3 cargo bench -p mlx-models --bench graph`, with a Python that has mlx-lm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mlx_models::{llama::Llama, Config};
use mlx_runtime::model::{init, Model};
use mlx_runtime::nn::KvCache;
use mlx_runtime::random::Key;
use mlx_runtime::{low_level::graph, ops, transforms, Array, Dtype, Result};

/// Of the fastest of 300 rounds, in microseconds. The arrays are dropped within.
fn fastest(mut f: impl FnMut() -> Result<Array>) -> Result<f64> {
    let mut best = Duration::MAX;
    for _ in 0..300 {
        let start = Instant::now();
        drop(f()?);
        best = best.min(start.elapsed());
    }
    Ok(best.as_secs_f64() * 1e6)
}

fn python() -> Option<serde_json::Value> {
    let interpreter = std::env::var_os("MLX_PYTHON").or_else(|| {
        println!("not beside Python: MLX_PYTHON names no interpreter that has mlx-lm");
        None
    })?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/graph.py");
    let mut python = std::process::Command::new(interpreter);
    let out = python.arg(script).output().expect("it starts");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    Some(serde_json::from_slice(&out.stdout).expect("the script prints a map"))
}

fn main() -> Result<()> {
    // The same as in graph.py.
    let config = Config {
        hidden_size: 64,
        num_hidden_layers: 24,
        intermediate_size: 128,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 16,
        vocab_size: 128,
        tie_word_embeddings: true,
        ..Config::default()
    };
    let model: Llama = init(&Arc::new(config), Key::new(1)?, Dtype::Float32)?;
    let parameters = model.parameters();
    transforms::eval(&parameters.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    let tokens = ops::ones(&[1, 8], Dtype::Int32)?;
    tokens.eval()?;

    let forward = || model.forward(&tokens, &mut KvCache::off());
    println!("{} nodes", graph::count_nodes(&[&forward()?])?);
    let us = fastest(forward)?;
    println!("24 layers forward: {us:.0} us");
    if let Some(python) = python() {
        let (theirs, nodes) = (&python["forward"], &python["nodes"]);
        let theirs = theirs.as_f64().expect("a number");
        println!(
            "mlx-lm: {theirs:.0} us, {:.2} times; {nodes} nodes",
            theirs / us
        );
    }
    Ok(())
}
