//! Whole runs of the application against mlx-lm's: `mlx_lm/dump_mlx_lm.py` wrote the references.
//!
//! The model is fetched once (98 MB) and kept in the user's cache.

#![allow(missing_docs)]

use std::path::PathBuf;

use llama_lora::ask::Asked;
use llama_lora::data::{BatchOptions, Limit, Split};
use llama_lora::ranks::Ranks;
use llama_lora::session::Session;
use llama_lora::settings::{Optimizer, OptimizerConfig, Settings, DEFAULT_BUCKETS, DEFAULT_MODEL};
use llama_lora::train::{self, Stop};
use llama_lora::{data, eval, generate};
use mlx_models::llama::Llama;
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/mlx_lm")
        .join(name)
}

fn reference() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder("reference.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

#[track_caller]
fn close(ours: f64, theirs: f64, relative: f64) {
    assert!(
        (ours - theirs).abs() <= relative * theirs.abs(),
        "{ours} and not {theirs}"
    );
}

/// The perplexity of the reference's sentence from mlx-lm's logits, summed in float64 by NumPy.
fn exact_perplexity() -> f64 {
    let dump = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/parity/data/smol_sentence.safetensors");
    let (arrays, _) = mlx_runtime::io::load_safetensors(dump).unwrap();
    let exact = &arrays["exact_perplexity"];
    f64::from(exact.to_vec::<f32>().unwrap()[0])
}

#[test]
fn perplexity_by_the_path_of_eval() {
    let wanted = reference();
    let session = Session::<Llama>::open(DEFAULT_MODEL).unwrap();
    let sentence = wanted["sentence"].as_str().unwrap();
    let ids = session.text.encode(sentence, true).unwrap();
    assert_eq!(
        ids.iter().map(|&i| i as f64).collect::<Vec<_>>(),
        numbers(&wanted["sentence_ids"])
    );

    let row = data::Row {
        tokens: ids.clone(),
        prompt: 0,
        keys: 1,
        rejected: None,
        reference: None,
    };
    let options = BatchOptions {
        batch_size: 1,
        longest: 512,
        buckets: DEFAULT_BUCKETS,
        mask_prompt: false,
        compat: false,
        packed: false,
    };
    let batches = data::held_out(
        std::slice::from_ref(&row),
        options,
        None,
        &mut llama_lora::random::Shuffle::new(0),
    )
    .unwrap();
    let score = eval::measure(
        &session.model,
        &session.text,
        (&[row], &[Asked::Nothing]),
        &batches,
        |_| {},
    )
    .unwrap();
    // mlx-lm's own figure has the error of float32 sums of 49152 exponentials; the other one was summed in float64.
    close(score.perplexity(), exact_perplexity(), 1e-5);
    close(
        score.perplexity(),
        wanted["perplexity"].as_f64().unwrap(),
        2e-4,
    );
}

/// An answer counts as exact, by the likeliest token at each place, if and only if decoding writes it.
#[test]
fn exact_match_is_what_decoding_says() {
    let session = Session::<Llama>::open(DEFAULT_MODEL).unwrap();
    // Questions that the bare model answers well enough for both outcomes to occur.
    let lines: String = [
        ("What is 1 + 1? Answer with a number only.", "2"),
        ("Say hello.", "zzz"),
    ]
    .iter()
    .map(|(p, c)| serde_json::json!({"prompt": p, "completion": c}).to_string() + "\n")
    .collect();
    let limit = Limit {
        tokens: 256,
        cut: false,
        pairs: false,
    };
    let mut split = Split::parse("test".into(), &lines, &session.text, limit, false).unwrap();
    let mut exact = Vec::new();
    for round in 0..2 {
        let options = BatchOptions {
            batch_size: 2,
            longest: 256,
            buckets: DEFAULT_BUCKETS,
            mask_prompt: true,
            compat: false,
            packed: false,
        };
        let mut shuffle = llama_lora::random::Shuffle::new(0);
        let batches = data::held_out(&split.rows, options, None, &mut shuffle).unwrap();
        let asked = Asked::of(&split.examples, &split.rows, &session.text).unwrap();
        let rows = (split.rows.as_slice(), asked.as_slice());
        let score = eval::measure(&session.model, &session.text, rows, &batches, |_| {}).unwrap();
        let mut decoded = 0;
        let mut answers = String::new();
        for example in &split.examples {
            let (prompt, truth) = example.question(&session.text).unwrap().unwrap();
            let answer = generate::answer(&session.model, &session.text, &prompt, 24).unwrap();
            decoded += usize::from(answer == truth);
            let shown = example.shown();
            answers +=
                &(serde_json::json!({"prompt": shown, "completion": answer}).to_string() + "\n");
        }
        assert_eq!(score.exact, decoded, "round {round}");
        exact.push(score.exact);
        // The model's own answers must count as exact if they ended.
        split = Split::parse("test".into(), &answers, &session.text, limit, false).unwrap();
    }
    assert!(exact[1] >= exact[0], "{exact:?}");
}

#[test]
fn ten_steps_from_the_same_adapter_on_the_same_batches() {
    let wanted = reference();
    let place = tempfile::tempdir().unwrap();
    let rows = numbers(&wanted["rows"]);
    for (name, count) in ["train", "valid"].iter().zip(rows) {
        let file = format!("{}/data/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).unwrap();
        let some: String = text
            .lines()
            .take(count as usize)
            .map(|l| format!("{l}\n"))
            .collect();
        std::fs::write(place.path().join(format!("{name}.jsonl")), some).unwrap();
    }
    for run in wanted["runs"].as_array().unwrap() {
        let settings = Settings {
            data: place.path().display().to_string(),
            iters: wanted["steps"].as_u64().unwrap(),
            batch_size: wanted["batch_size"].as_u64().unwrap() as usize,
            learning_rate: wanted["learning_rate"].as_f64().unwrap(),
            optimizer_config: OptimizerConfig::of(Optimizer::Adam, true),
            adapter_path: place.path().join("adapters"),
            resume_adapter_file: Some(folder("initial")),
            steps_per_report: 1,
            steps_per_eval: wanted["steps"].as_u64().unwrap(),
            val_batches: -1,
            mask_prompt: run["mask_prompt"].as_bool().unwrap(),
            compat: true,
            ..Settings::default()
        };
        let checkpoint = train::open(&settings).unwrap();
        let session = Session::<Llama>::load(checkpoint, &settings.model, None).unwrap();
        let prepared = train::prepare(session, settings, None).unwrap();
        let first = &prepared.train.rows[0];
        let ids: Vec<f64> = first.tokens.iter().map(|&t| t as f64).collect();
        assert_eq!(ids, numbers(&run["first_row"][0]));
        if run["mask_prompt"] == true {
            assert_eq!(first.prompt as u64, run["first_row"][1].as_u64().unwrap());
        }
        let outcome = train::run(prepared, &Stop::default(), &Ranks::alone()).unwrap();
        for (ours, theirs) in [
            (outcome.metrics.train_curve(), numbers(&run["train"])),
            (outcome.metrics.valid_curve(), numbers(&run["valid"])),
        ] {
            assert_eq!(ours.len(), theirs.len());
            for ((_, ours), theirs) in ours.into_iter().zip(theirs) {
                close(ours, theirs, 1e-4);
            }
        }
    }
}
