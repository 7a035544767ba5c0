//! One LoRA training step of a Llama of SmolLM2-135M's shape, float32, rank 8 on q, k, v and o of
//! all layers, AdamW: the time of each step, and of a matmul of the same FLOPs for the floor.
//!
//! `cargo bench -p llama_lora --bench step -- [batch] [tokens] [steps]`; weights are random, since
//! no time depends on their values. `benches/compare.py` runs it beside mlx-lm.

use std::sync::Arc;
use std::time::Instant;

use mlx_models::{llama::Llama, Config};
use mlx_runtime::model::{add_lora, init, LoraConfig, Model, TrainOptions, TrainStep};
use mlx_runtime::optim::AdamW;
use mlx_runtime::random::Key;
use mlx_runtime::{memory, ops, random, transforms, Array, Dtype, Result};

fn config() -> Config {
    Config {
        hidden_size: 576,
        num_hidden_layers: 30,
        intermediate_size: 1536,
        num_attention_heads: 9,
        num_key_value_heads: 3,
        head_dim: 64,
        vocab_size: 49152,
        rms_norm_eps: 1e-5,
        rope_theta: 100_000.0,
        rope_traditional: true,
        rope_scaling: None,
        tie_word_embeddings: true,
        attention_bias: false,
        mlp_bias: false,
        max_position_embeddings: 8192,
        ..Config::default()
    }
}

fn main() -> Result<()> {
    let numbers: Vec<i32> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let at = |i: usize, default| numbers.get(i).copied().unwrap_or(default);
    let (batch, tokens, steps) = (at(0, 1), at(1, 128), at(2, 10).max(1));
    let config = Arc::new(config());
    let mut model: Llama = init(&config, Key::new(1)?, Dtype::Float32)?;
    let keys = ["q_proj", "k_proj", "v_proj", "o_proj"];
    let lora = LoraConfig {
        rank: 8,
        scale: 20.0,
        keys: keys.iter().map(|k| format!("self_attn.{k}")).collect(),
        num_layers: -1,
        ..LoraConfig::default()
    };
    add_lora(&mut model, &lora, &Key::new(2)?)?;
    let all = model.parameters();
    transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    let loss = |m: &Llama, b: &[Array]| Ok(vec![m.loss(&b[0], &b[1], &b[2])?]);
    let optimizer = AdamW {
        learning_rate: 1e-5,
        ..AdamW::default()
    };
    let mut step = TrainStep::new(model, loss, optimizer, TrainOptions::default())?;
    let ids = |seed| {
        let (low, high) = (
            Array::scalar(0i32)?,
            Array::scalar(config.vocab_size as i32)?,
        );
        random::randint(
            &low,
            &high,
            &[batch, tokens],
            Dtype::Int32,
            Some(&Key::new(seed)?),
        )
    };
    let weights = ops::ones(&[batch, tokens], Dtype::Float32)?;
    let inputs = [ids(3)?, ids(4)?, weights];
    transforms::eval(&inputs.iter().collect::<Vec<_>>())?;
    let mut times = Vec::new();
    memory::reset_peak()?;
    for i in 0..=steps {
        let start = Instant::now();
        let loss = step.run(&inputs, 1e-5)?[0].item::<f32>()?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        println!("step {i}: {ms:.1} ms, loss {loss:.4}");
        // The first step fills caches.
        if i > 0 {
            times.push(ms);
        }
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let flop = flops(&config) * f64::from(batch * tokens);
    let gemm = gemm(tokens)?;
    let floor = flop / gemm * 1e3;
    println!(
        "median {median:.1} ms, fastest {:.1} ms, peak {:.2} GB; {:.1} GFLOP at {:.0} GFLOP/s is {floor:.1} ms: {:.2} x the floor",
        times[0],
        memory::peak()? as f64 / 1e9,
        flop / 1e9,
        gemm / 1e9,
        median / floor,
    );
    Ok(())
}

/// FLOPs of the matmuls a token needs: forward, and the gradient of the activations.
fn flops(c: &Config) -> f64 {
    let (q, kv) = (
        c.num_attention_heads * c.head_dim,
        c.num_key_value_heads * c.head_dim,
    );
    let block = c.hidden_size * (2 * q + 2 * kv + 3 * c.intermediate_size);
    4.0 * (c.num_hidden_layers * block + c.vocab_size * c.hidden_size) as f64
}

/// The throughput of a matmul of the layers' shape on this machine, in FLOP/s.
fn gemm(rows: i32) -> Result<f64> {
    let (k, n) = (576, 1536);
    let a = ops::ones(&[rows, k], Dtype::Float32)?;
    let b = ops::ones(&[n, k], Dtype::Float32)?;
    let b = ops::transpose(&b, &[1, 0])?;
    transforms::eval(&[&a, &b])?;
    let mut best = f64::MAX;
    for _ in 0..50 {
        let all: Vec<Array> = (0..10)
            .map(|_| ops::matmul(&a, &b))
            .collect::<Result<_>>()?;
        let start = Instant::now();
        transforms::eval(&all.iter().collect::<Vec<_>>())?;
        best = best.min(start.elapsed().as_secs_f64() / 10.0);
    }
    Ok(2.0 * f64::from(rows) * f64::from(k) * f64::from(n) / best)
}
