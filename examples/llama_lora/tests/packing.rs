//! Covers several rows in each row of a batch: every family computes what it computes of rows alone, each row is used once,
//! and a run learns the same and goes on exactly.

#![allow(missing_docs)]

mod common;

use common::Place;
use llama_lora::data::{BatchOptions, Batches, Row};
use llama_lora::random::Shuffle;
use mlx_models::{CausalLm, Config, Visitor};
use mlx_runtime::model::{init, Checkpoint, TrainOptions, TrainStep};
use mlx_runtime::nn::Segments;
use mlx_runtime::optim::Sgd;
use mlx_runtime::{ops, random, Array, Dtype};
use serde_json::{json, Value};

fn base(family: &str) -> Value {
    json!({
        "model_type": family, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 64, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
        "max_position_embeddings": 64, "tie_word_embeddings": false, "layer_norm_eps": 1e-5
    })
}

fn with(family: &str, more: Value) -> String {
    let mut all = base(family);
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    all.to_string()
}

fn row(i: usize, length: usize) -> Vec<i32> {
    (0..length)
        .map(|k| ((7 * k + 13 * i + k * k) % 60) as i32 + 1)
        .collect()
}

struct Family(Config);

impl Visitor for Family {
    type Output = ();

    fn visit<M: CausalLm>(self) {
        let family = self.0.family;
        let model: M = init(&self.0.into(), random::key(3).unwrap(), Dtype::Float32).unwrap();
        // Three texts in a row of 16 inputs, one of which is padding.
        let lengths = [6usize, 3, 6];
        let mut packed = [vec![0i32; 16], vec![0; 16], vec![0; 16]];
        let mut weights = vec![0f32; 16];
        let (mut alone, mut targets, mut at) = (0.0, 0.0, 0);
        for (i, n) in lengths.into_iter().enumerate() {
            let ids = row(i, n + 1);
            let arrays = [
                Array::from_slice(&ids[..n], &[1, n as i32]).unwrap(),
                Array::from_slice(&ids[1..], &[1, n as i32]).unwrap(),
                ops::ones(&[1, n as i32], Dtype::Float32).unwrap(),
            ];
            alone += model
                .loss(&arrays[0], &arrays[1], &arrays[2])
                .unwrap()
                .item::<f32>()
                .unwrap()
                * n as f32;
            targets += n as f32;
            for k in 0..n {
                packed[0][at + k] = ids[k];
                packed[1][at + k] = ids[k + 1];
                packed[2][at + k] = k as i32;
                weights[at + k] = 1.0;
            }
            at += n;
        }
        let [tokens, next, positions] = packed.map(|v| Array::from_slice(&v, &[1, 16]).unwrap());
        let weights = Array::from_slice(&weights, &[1, 16]).unwrap();
        let segments = Segments::new(&positions, 6, Dtype::Float32).unwrap();
        let loss = |m: &M| {
            segments
                .during(|| m.loss(&tokens, &next, &weights))
                .unwrap()
        };
        let together = loss(&model).item::<f32>().unwrap();
        assert!(
            (together - alone / targets).abs() < 1e-5,
            "{family:?}: {together}, not {}",
            alone / targets
        );
        // The mask is the same where layers run again in the backward pass.
        let steps = [Checkpoint::Never, Checkpoint::Every(1)].map(|cut| {
            let mut model = model.clone();
            model.unfreeze();
            let (segments, tokens) = (segments.clone(), tokens.clone());
            let (next, weights) = (next.clone(), weights.clone());
            let loss = move |m: &M, _: &[Array]| {
                segments.during(|| Ok(vec![m.loss(&tokens, &next, &weights)?]))
            };
            let mut step = TrainStep::new(
                model,
                loss,
                Sgd::default(),
                TrainOptions::new().checkpoint(cut),
            )
            .unwrap();
            step.run(&[], 0.1).unwrap();
            step.run(&[], 0.1).unwrap()[0].item::<f32>().unwrap()
        });
        assert!((steps[0] - steps[1]).abs() < 1e-5, "{family:?}: {steps:?}");
    }
}

#[test]
fn families_compute_what_they_compute_of_rows_alone() {
    let experts = json!({"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
                         "norm_topk_prob": true, "decoder_sparse_step": 1, "mlp_only_layers": []});
    for text in [
        with("llama", json!({})),
        with(
            "llama",
            json!({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, "max_position_embeddings": 8}),
        ),
        with("mistral", json!({"sliding_window": 4})),
        with("mixtral", experts.clone()),
        with("qwen2", json!({})),
        with("qwen3", json!({})),
        with("qwen3_moe", experts),
        with("phi3", json!({"original_max_position_embeddings": 64})),
        with(
            "gemma3_text",
            json!({"sliding_window": 4, "sliding_window_pattern": 2, "query_pre_attn_scalar": 8,
                                   "rope_local_base_freq": 1e4}),
        ),
        with(
            "gpt2",
            json!({"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_ctx": 64,
                            "layer_norm_epsilon": 1e-5}),
        ),
        with("olmo2", json!({})),
    ] {
        let config = match Config::parse(&text) {
            Ok(config) => config,
            Err(error) => panic!("{error:#}: {text}"),
        };
        mlx_models::dispatch(config.family, Family(config));
    }
}

fn rows() -> Vec<Row> {
    (0..23)
        .map(|i| Row {
            tokens: (0..3 + (i * 7) % 11).map(|k| k as u32 + 1).collect(),
            prompt: 1 + i % 2,
            keys: 2,
            rejected: None,
            reference: None,
        })
        .collect()
}

#[test]
fn each_row_is_used_once_in_a_pass() {
    let rows = rows();
    for mask_prompt in [false, true] {
        let options = BatchOptions {
            batch_size: 2,
            longest: 16,
            buckets: 4,
            mask_prompt,
            compat: false,
            packed: true,
        };
        let mut batches = Batches::new(&rows, options, Shuffle::new(5)).unwrap();
        let wanted: usize = rows.iter().map(|r| r.targets(mask_prompt).len()).sum();
        for pass in 0..3 {
            let (mut found, mut texts) = (0, 0);
            for _ in 0..batches.per_pass() {
                let batch = batches.next_batch().unwrap();
                assert_eq!((batch.rows, batch.width), (2, 16));
                let positions = batch.positions.unwrap();
                found += batch.mask.iter().filter(|m| **m == 1.0).count();
                for (i, token) in batch.tokens.iter().enumerate() {
                    // Row i counts from 1, so that places tell which token there is.
                    let inside = *token != 0;
                    assert!(
                        !inside || *token == positions[i] + 1,
                        "{token} at {}",
                        positions[i]
                    );
                    texts += usize::from(inside && positions[i] == 0);
                }
                assert_eq!(batch.real, batch.mask.iter().filter(|m| **m == 1.0).count());
            }
            assert_eq!((found, texts), (wanted, rows.len()), "pass {pass}");
        }
    }
}

#[test]
fn a_run_learns_the_same_and_goes_on_exactly() {
    let place = Place::new();
    let tensors = |file: &str| {
        let all = std::fs::read(place.path(file)).unwrap();
        let header = u64::from_le_bytes(all[..8].try_into().unwrap()) as usize;
        all[8 + header..].to_vec()
    };
    let first = |folder: &str| {
        let text = std::fs::read_to_string(place.path(folder).join("metrics.jsonl")).unwrap();
        let mut records = text
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        records
            .find_map(|r| Some((r["train_loss"].as_f64()?, r["trained_tokens"].as_u64()?)))
            .unwrap()
    };
    // All 12 rows in one batch, alone and together.
    let run = "--iters 2 --batch-size 16 --max-seq-length 64 --learning-rate 1e-3";
    for more in ["", "--mask-prompt"] {
        place.train(&format!("{run} {more} --adapter-path alone"));
        place.train(&format!("{run} {more} --packing --adapter-path packed"));
        let (alone, packed) = (first("alone"), first("packed"));
        assert_eq!(alone.1, packed.1);
        assert!((alone.0 - packed.0).abs() < 1e-5, "{alone:?} {packed:?}");
    }
    for way in [
        "--packing --max-seq-length 40",
        "--packing --max-seq-length 40 --lora-dropout 0.3 --grad-accumulation-steps 2 --fine-tune-type dora",
        "--packing --fine-tune-type full --grad-checkpoint always",
    ] {
        place.train(&format!("{way} --iters 8 --adapter-path whole"));
        place.train(&format!("{way} --iters 4 --adapter-path parts"));
        place.ok(&format!("train --resume --iters 8 {way} --adapter-path parts"));
        for file in ["adapters.safetensors", "state.safetensors"] {
            let (whole, parts) = (format!("whole/{file}"), format!("parts/{file}"));
            assert!(tensors(&whole) == tensors(&parts), "{way}: {file}");
        }
    }
    let said = place.fails(&format!("{} --packing --compat", common::TRAIN));
    assert!(said.contains("--compat contradicts --packing"), "{said}");
}

#[test]
fn a_family_that_looks_at_whole_rows_is_refused() {
    let place = Place::new();
    let config = with(
        "gemma2",
        json!({"sliding_window": 8, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 50.0,
                                       "final_logit_softcapping": 30.0, "vocab_size": 258, "eos_token_id": 257}),
    );
    place.write("config.json", &config);
    place.ok("synth --config config.json --out gemma --dtype float32");
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(
            place.path("model").join(file),
            place.path("gemma").join(file),
        )
        .unwrap();
    }
    let said = place.fails("train --model gemma --data data --iters 1 --packing");
    assert!(said.contains("unsupported --packing for gemma2"), "{said}");
}
