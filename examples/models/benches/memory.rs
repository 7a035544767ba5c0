//! The memory of a training step of a Llama with random weights: the prediction of `TrainStep::plan`, and the peak that
//! MLX then used. Prints a Markdown table.
//!
//! `cargo bench -p mlx-models --bench memory`

use std::sync::Arc;

use mlx_models::{llama::Llama, Config};
use mlx_runtime::model::{add_lora, init, Checkpoint, LoraConfig, Model, TrainOptions, TrainStep};
use mlx_runtime::optim::AdamW;
use mlx_runtime::random::Key;
use mlx_runtime::{kernels, memory, ops, random, transforms, Array, Dtype, Result};

const VOCAB: i32 = 2048;

/// (width, layers, batch, length, all weights, composed of MLX's operations, dtype).
type Case = (usize, usize, i32, i32, bool, bool, Dtype);

const F32: Dtype = Dtype::Float32;

const CASES: &[Case] = &[
    (256, 8, 2, 128, false, false, F32),
    (128, 12, 4, 256, false, false, F32),
    (256, 6, 1, 512, true, false, F32),
    (256, 8, 2, 128, false, true, F32),
    (128, 12, 4, 256, true, true, F32),
    (128, 6, 4, 256, false, true, Dtype::Bfloat16),
];

/// A step, and a batch for it.
fn step(case: &Case, policy: Checkpoint) -> Result<(TrainStep<Llama>, Vec<Array>)> {
    let (width, layers, batch, length, full, _, dtype) = *case;
    let config = Config {
        hidden_size: width,
        num_hidden_layers: layers,
        intermediate_size: width * 8 / 3,
        num_attention_heads: width / 32,
        num_key_value_heads: width / 64,
        head_dim: 32,
        vocab_size: VOCAB as usize,
        tie_word_embeddings: true,
        ..Config::default()
    };
    let mut model: Llama = init(&Arc::new(config), Key::new(1)?, dtype)?;
    if full {
        model.unfreeze();
    } else {
        let keys = ["q_proj", "k_proj", "v_proj", "o_proj"];
        let lora = LoraConfig {
            rank: 8,
            scale: 20.0,
            keys: keys.iter().map(|k| format!("self_attn.{k}")).collect(),
            num_layers: -1,
            ..LoraConfig::default()
        };
        add_lora(&mut model, &lora, &Key::new(2)?)?;
    }
    let all = model.parameters();
    transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    drop(all);
    let mut options = TrainOptions::default();
    options.checkpoint = Some(policy);
    let loss = |m: &Llama, b: &[Array]| Ok(vec![m.loss(&b[0], &b[1], &b[2])?]);
    let step = TrainStep::new(model, loss, AdamW::default(), options)?;
    let (low, high) = (Array::scalar(0i32)?, Array::scalar(VOCAB)?);
    let shape = [batch, length];
    let ids = |seed| random::randint(&low, &high, &shape, Dtype::Int32, Some(&Key::new(seed)?));
    let ones = ops::contiguous(&ops::ones(&shape, F32)?, false)?;
    let batch = vec![ids(3)?, ids(4)?, ones];
    transforms::eval(&batch.iter().collect::<Vec<_>>())?;
    Ok((step, batch))
}

/// One row of the table: under a limit, if there is one.
fn row(case: &Case, policy: Checkpoint, limit: Option<usize>) -> Result<usize> {
    let (mut step, batch) = step(case, policy)?;
    let before = limit.map(memory::set_limit).transpose()?;
    let plan = step.plan(&batch)?;
    let mut peak = 0;
    for _ in 0..4 {
        memory::reset_peak()?;
        step.run(&batch, 1e-5)?;
        peak = peak.max(memory::peak()?);
    }
    if let Some(before) = before {
        memory::set_limit(before)?;
    }
    let (width, layers, batch, length, full, composed, dtype) = case;
    let again = plan.spans.first().map(|s| match s.again {
        0 => "none".to_string(),
        n => format!("the first {n}, by {}", s.span),
    });
    let asked = match policy {
        Checkpoint::Never => "never".to_string(),
        Checkpoint::Every(n) => format!("every({n})"),
        Checkpoint::Auto => format!("auto: {}", again.unwrap_or_default()),
    };
    let mb = |n: usize| format!("{:.1}", n as f64 / 1e6);
    println!(
        "| {width} x {layers}, {batch} x {length} | {}, {dtype}{} | {asked} | {} | {} | {} | {:.3} |",
        if *full { "all weights" } else { "LoRA" },
        if *composed { ", composed" } else { "" },
        limit.map_or("-".to_string(), mb),
        mb(plan.predicted_peak),
        mb(peak),
        plan.predicted_peak as f64 / peak as f64,
    );
    Ok(plan.predicted_peak)
}

fn rows(case: &Case) -> Result<()> {
    row(case, Checkpoint::Never, None)?;
    let limit = row(case, Checkpoint::Every(1), None)?;
    row(case, Checkpoint::Every(3), None)?;
    // With as much memory as if every layer ran again.
    row(case, Checkpoint::Auto, Some(limit)).map(drop)
}

fn main() -> Result<()> {
    println!("| width x layers, batch x length | trained | layers that run again | limit | predicted MB | measured MB | ratio |");
    println!("|---|---|---|---|---|---|---|");
    for case in CASES {
        match case.5 {
            true => kernels::without(|| rows(case))?,
            false => rows(case)?,
        }
    }
    Ok(())
}
