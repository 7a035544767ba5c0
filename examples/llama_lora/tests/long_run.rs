//! A thousand steps on rows of mixed lengths take no more memory at the end than at the beginning.

#![cfg(target_os = "linux")] // reads the process's memory there
#![allow(missing_docs)]

use std::collections::HashSet;

use llama_lora::data::{BatchOptions, Batches, Row};
use llama_lora::eval;
use llama_lora::random::Shuffle;
use llama_lora::session::Session;
use mlx_models::llama::Llama;
use mlx_runtime::model::{add_lora, LoraConfig, TrainOptions, TrainStep};
use mlx_runtime::optim::AdamW;
use mlx_runtime::random::Key;
use mlx_runtime::{memory, Array};

const BUCKETS: usize = 5;

/// 120 rows of 2 to 300 tokens.
fn rows() -> Vec<Row> {
    let mut shuffle = Shuffle::new(9);
    (0..120)
        .map(|_| {
            let len = 2 + (shuffle.uniform().powi(2) * 299.0) as usize;
            Row {
                tokens: (0..len)
                    .map(|_| (shuffle.uniform() * 258.0) as u32)
                    .collect(),
                prompt: 0,
                keys: 1,
                rejected: None,
                reference: None,
            }
        })
        .collect()
}

/// The resident memory of the process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_thousand_steps_of_mixed_lengths_take_no_more_memory() {
    let mut session = Session::<Llama>::open("synth:tiny").unwrap();
    let keys = ["q_proj", "k_proj", "v_proj", "o_proj"].map(|k| format!("self_attn.{k}"));
    let lora = LoraConfig {
        rank: 8,
        scale: 20.0,
        keys: keys.to_vec(),
        num_layers: -1,
        ..LoraConfig::default()
    };
    add_lora(&mut session.model, &lora, &Key::new(1).unwrap()).unwrap();
    let loss = |m: &Llama, b: &[Array]| Ok(vec![m.loss(&b[0], &b[1], &b[2])?]);
    let optimizer = AdamW::default();
    let mut step = TrainStep::new(session.model, loss, optimizer, TrainOptions::default()).unwrap();
    let rows = rows();
    let options = BatchOptions {
        batch_size: 2,
        longest: 512,
        buckets: BUCKETS,
        mask_prompt: false,
        compat: false,
        packed: false,
    };
    let mut batches = Batches::new(&rows, options, Shuffle::new(3)).unwrap();

    let mut shapes = HashSet::new();
    let mut pending = None;
    // The memory in use after a step, while nothing else runs.
    let mut at = |steps: usize| {
        for _ in 0..steps {
            let batch = batches.next_batch().unwrap();
            shapes.insert((batch.rows, batch.width));
            let started = step.start(&eval::arrays(&batch).unwrap(), 1e-4).unwrap();
            if let Some(before) = pending.replace(started) {
                assert!(before.wait().unwrap()[0].item::<f32>().unwrap().is_finite());
            }
        }
        pending.take().unwrap().wait().unwrap();
        (
            memory::active().unwrap(),
            memory::peak().unwrap(),
            resident(),
        )
    };
    // Every shape has been there twice after three passes.
    let early = at(200);
    let late = at(1000);
    assert_eq!(late.0, early.0, "bytes of arrays");
    // Batches of the same shapes use the same memory; the work that is queued beside them may differ.
    assert!(
        late.1 <= early.1 + early.1 / 4,
        "peak {} after {}",
        late.1,
        early.1
    );
    // An array of 4 kB, or a graph, lost in each step would be more.
    let grown = late.2.saturating_sub(early.2);
    assert!(grown < 4 << 20, "{grown} bytes more are resident");
    assert!(shapes.len() <= BUCKETS, "{shapes:?}");
    assert_eq!(step.skipped().unwrap().total, 0);
}
