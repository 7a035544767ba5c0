//! Covers data sets in files of any kind: JSON lines, JSON and Parquet, splits, features, weights and lists.
//!
//! `sources/write.py` wrote the Parquet files with pyarrow.

#![allow(missing_docs)]

mod common;

use common::{text, Place};
use serde_json::{json, Value};

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|r| format!("{r}\n")).collect()
}

fn questions(range: std::ops::Range<usize>) -> Vec<Value> {
    range
        .map(|i| json!({"q": format!("ask {i}"), "a": "x".repeat(i % 3 + 1)}))
        .collect()
}

/// A training run with a configuration that ends in `sets`, and what it said.
fn run(place: &Place, sets: &str, more: &str) -> String {
    place.write("c.yaml", &format!("hf_dataset:\n{sets}\n"));
    let run = common::TRAIN.replace("--data data", "-c c.yaml");
    let out = place.run(&format!("{run} --iters 1 {more}"));
    assert!(out.status.success(), "{sets}: {}", text(&out.stderr));
    text(&out.stderr)
}

const FEATURES: &str = "prompt_feature: q, completion_feature: a";

#[test]
fn splits_features_weights_and_lists() {
    let place = Place::new();
    place.write("one/train.jsonl", &lines(&questions(0..10)));
    place.write("one/validation.jsonl", &lines(&questions(10..14)));
    place.write("two/all.json", &Value::from(questions(0..5)).to_string());
    place.write("two/README.md", "not data");
    for (sets, train, valid) in [
        // mlx-lm's default parts of the split train.
        (format!("  {{path: one, {FEATURES}}}"), 8, 1),
        (format!("  {{path: one, {FEATURES}, train_split: train, valid_split: validation}}"), 10, 4),
        (format!("  {{path: one, {FEATURES}, train_split: 'train[2:5]+validation', valid_split: 'train[-2:]'}}"), 7, 2),
        (format!("  {{path: two, {FEATURES}}}"), 4, 5),
        (format!("  {{path: two/all.json, {FEATURES}, train_split: train, weight: 2.4}}"), 12, 5),
        (
            format!("  - {{path: one, {FEATURES}, train_split: train, valid_split: validation}}\n  - {{path: two, {FEATURES}, train_split: train, weight: 0.4}}"),
            12,
            // Of five rows, a tenth from the end rounds to nothing, which is where all of them begin; as in `datasets`.
            9,
        ),
    ] {
        let said = run(&place, &sets, "");
        let wanted = format!("training on {train} rows of");
        assert!(said.contains(&wanted), "{sets}: {said}");
        let measured = said.lines().find(|l| l.contains("training on")).unwrap();
        if valid > 0 {
            assert!(measured.ends_with(&format!("measuring on {valid}")), "{sets}: {measured}");
        }
    }
}

#[test]
fn parquet_holds_the_same_rows() {
    let place = Place::new();
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sources");
    let losses = |sets: &str| {
        run(&place, sets, "--adapter-path out --iters 3");
        let metrics = std::fs::read_to_string(place.path("out/metrics.jsonl")).unwrap();
        let records = metrics
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        records
            .filter_map(|r| r["train_loss"].as_f64())
            .collect::<Vec<_>>()
    };
    let messages: Vec<Value> = (0..6)
        .map(|i| {
            json!({"conversations": [{"role": "user", "content": format!("ask {i}")},
                                          {"role": "assistant", "content": "y".repeat(i % 3 + 1)}]})
        })
        .collect();
    place.write("chat/train.jsonl", &lines(&messages));
    let chat = "chat_feature: conversations, train_split: train, valid_split: train";
    let wanted = losses(&format!("  {{path: chat, {chat}}}"));
    for file in ["snappy", "plain"] {
        let found = losses(&format!("  {{path: '{from}/{file}', {chat}}}"));
        assert_eq!(found, wanted, "{file}");
    }
}

#[test]
fn evaluation_measures_the_run_s_data() {
    let place = Place::new();
    place.write("one/train.jsonl", &lines(&questions(0..10)));
    place.write("one/test.jsonl", &lines(&questions(20..24)));
    let sets = format!("  {{path: one, {FEATURES}, test_split: test}}");
    let said = run(&place, &sets, "--test");
    assert!(said.contains("training on 8 rows"), "{said}");
    let out = place.ok("eval --adapter-path adapters");
    assert!(out.contains("exact match") && out.contains("/4"), "{out}");
}

#[test]
fn mistakes_say_what_to_do() {
    let place = Place::new();
    place.write("one/train.jsonl", &lines(&questions(0..10)));
    place.write("bad/train.jsonl", "{\"q\": 3, \"a\": \"x\"}\n");
    place.write("bad/x.parquet", "PAR1 and nothing else");
    for (sets, wanted) in [
        (
            "{path: nowhere}".to_owned(),
            "name a folder, a file, or ORG/NAME",
        ),
        (
            format!("{{path: one, {FEATURES}, train_split: other}}"),
            "expected a split \"other\"",
        ),
        ("{path: one}".to_owned(), "found the keys"),
        (
            format!("{{path: bad/train.jsonl, {FEATURES}, train_split: train}}"),
            "line 1",
        ),
        (
            format!("{{path: bad/x.parquet, {FEATURES}, train_split: train}}"),
            "cannot read",
        ),
        ("{path: one, prompt_featur: q}".to_owned(), "prompt_feature"),
    ] {
        place.write("c.yaml", &format!("hf_dataset: {sets}\n"));
        let run = common::TRAIN.replace("--data data", "-c c.yaml");
        let said = place.fails(&run);
        assert!(said.contains(wanted), "{sets}: {said}");
    }
}
