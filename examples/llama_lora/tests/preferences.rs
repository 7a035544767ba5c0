//! Covers losses that compare answers: their numbers and gradients are TRL's, their rows come in every usual form, the
//! reference is computed once, and a run goes on exactly.
//!
//! `preferences/dump.py` dumped what TRL's functions compute.

#![allow(missing_docs)]

mod common;

use common::{text, Place};
use llama_lora::preference::Preference;
use llama_lora::settings::Loss;
use mlx_runtime::{transforms, Array};
use serde_json::{json, Value};

fn floats(value: &Value) -> Vec<f32> {
    let rows = value.as_array().unwrap();
    let flat = rows.iter().flat_map(|r| match r {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    });
    flat.map(|v| v.as_f64().unwrap() as f32).collect()
}

#[test]
fn losses_and_gradients_are_trls() {
    let dump: Value = serde_json::from_str(include_str!("preferences/dump.json")).unwrap();
    let matrix = |name: &str| Array::from_slice(&floats(&dump[name]), &[6, 7]).unwrap();
    let (mask, answers) = (matrix("mask"), matrix("answers"));
    let reference = Array::from_slice(&floats(&dump["reference"]), &[6]).unwrap();
    let losses = mlx_runtime::ops::multiply(&matrix("nll"), &mask).unwrap();
    for case in dump["cases"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap() as f32;
        let preference = Preference {
            loss: case["loss"].as_str().unwrap().parse::<Loss>().unwrap(),
            beta: number("beta"),
            gamma: number("gamma"),
        };
        let (mask, answers, reference) = (mask.clone(), answers.clone(), reference.clone());
        let step = transforms::value_and_grad(
            move |x: &[Array]| preference.loss(&x[0], &mask, &answers, &reference),
            &[0],
        );
        let (values, grads) = step.call(std::slice::from_ref(&losses)).unwrap();
        let (found, wanted) = (values[0].item::<f32>().unwrap(), number("value"));
        assert!(
            (found - wanted).abs() < 1e-5 * wanted.abs(),
            "{case}: {found}"
        );
        assert_eq!(values[1].item::<f32>().unwrap(), 3.0);
        for (ours, theirs) in grads[0]
            .to_vec::<f32>()
            .unwrap()
            .iter()
            .zip(floats(&case["gradient"]))
        {
            assert!(
                (ours - theirs).abs() < 1e-5,
                "{preference:?}: {ours}, not {theirs}"
            );
        }
    }
}

/// Rows of a question with two answers.
fn pairs(place: &Place, row: impl Fn(usize) -> Value) {
    for (name, rows) in [("train", 6), ("valid", 3)] {
        let lines: Vec<String> = (0..rows).map(|i| row(i).to_string()).collect();
        place.write(&format!("pairs/{name}.jsonl"), &lines.join("\n"));
    }
}

fn plain(i: usize) -> Value {
    json!({"prompt": format!("say {i}"), "chosen": "y".repeat(i % 3 + 1), "rejected": "n".repeat(i % 2 + 1)})
}

const RUN: &str = "train --model model --data pairs --iters 6 --batch-size 2 --learning-rate 3e-2 \
                   --lora-rank 2 --steps-per-report 1 --steps-per-eval 3 --overwrite";

fn curve(place: &Place, folder: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(folder).join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn every_loss_learns_which_answer_is_preferred() {
    let place = Place::new();
    pairs(&place, plain);
    for loss in ["dpo", "orpo", "simpo"] {
        place.ok(&format!(
            "{RUN} --loss {loss} --iters 20 --adapter-path {loss}"
        ));
        let records = curve(&place, loss);
        let valid: Vec<&Value> = records
            .iter()
            .filter(|r| r.get("val_loss").is_some())
            .collect();
        let number = |r: &Value, key: &str| r[key].as_f64().unwrap();
        let (first, last) = (valid[0], valid[valid.len() - 1]);
        assert!(
            number(last, "val_loss") < number(first, "val_loss"),
            "{loss}: {valid:?}"
        );
        assert!(
            number(last, "reward_margin") > number(first, "reward_margin"),
            "{loss}: {valid:?}"
        );
        assert_eq!(number(last, "reward_accuracy"), 1.0, "{loss}: {valid:?}");
        if loss == "dpo" {
            // Before the first step the model is its own reference.
            assert!((number(first, "val_loss") - std::f64::consts::LN_2).abs() < 1e-6);
            assert!(number(first, "reward_margin").abs() < 1e-6);
        }
    }
}

#[test]
fn the_usual_forms_of_pairs_are_the_same_rows() {
    let place = Place::new();
    let user = |i: usize| json!({"role": "user", "content": format!("say {i}")});
    let answer = |text: String| json!({"role": "assistant", "content": text});
    let parts = |i: usize| ("y".repeat(i % 3 + 1), "n".repeat(i % 2 + 1));
    type Form = Box<dyn Fn(usize) -> Value>;
    let forms: Vec<(&str, Form)> = vec![
        ("text", Box::new(plain)),
        (
            "messages",
            Box::new(move |i| {
                let (y, n) = parts(i);
                json!({"prompt": [user(i)], "chosen": [answer(y)], "rejected": [answer(n)]})
            }),
        ),
        (
            "prompts in answers",
            Box::new(move |i| {
                let (y, n) = parts(i);
                json!({"chosen": [user(i), answer(y)], "rejected": [user(i), answer(n)]})
            }),
        ),
        (
            "prompts everywhere",
            Box::new(move |i| {
                let (y, n) = parts(i);
                json!({"prompt": format!("say {i}"), "chosen": [user(i), answer(y)], "rejected": [user(i), answer(n)],
                   "messages": [user(i)], "score": 3})
            }),
        ),
    ];
    let mut first = None;
    for (name, form) in forms {
        pairs(&place, form);
        place.ok(&format!("{RUN} --loss dpo"));
        let losses: Vec<f64> = curve(&place, "adapters")
            .iter()
            .filter_map(|r| r["train_loss"].as_f64())
            .collect();
        assert_eq!(*first.get_or_insert(losses.clone()), losses, "{name}");
    }
    // A text before all others changes the numbers.
    pairs(&place, |i| {
        let mut row = plain(i);
        row["system"] = json!("be short");
        row
    });
    place.ok(&format!("{RUN} --loss dpo"));
    let losses: Vec<f64> = curve(&place, "adapters")
        .iter()
        .filter_map(|r| r["train_loss"].as_f64())
        .collect();
    assert_ne!(first, Some(losses));
}

#[test]
fn the_reference_is_computed_once() {
    let place = Place::new();
    pairs(&place, plain);
    let run = |more: &str| {
        let out = place.run(&format!("{RUN} --loss dpo {more}"));
        assert!(out.status.success(), "{}", text(&out.stderr));
        text(&out.stderr).contains("log-probabilities are in")
    };
    assert!(!run(""));
    assert!(run("--learning-rate 1e-3 --adapter-path b"));
    assert!(run(
        "--lora-rank 3 --seed 9 --fine-tune-type dora --adapter-path b"
    ));
    // Of each split of each model there is one file.
    let files = || {
        std::fs::read_dir(place.path("cache/reference"))
            .unwrap()
            .count()
    };
    assert_eq!(files(), 2);
    common::write_model(&place.path("other"), 7);
    assert!(!run("--reference-model other --adapter-path c"));
    assert_eq!(files(), 4);
    assert_ne!(
        curve(&place, "adapters")[1]["train_loss"],
        curve(&place, "c")[1]["train_loss"]
    );
    // A file that is broken is made again.
    for entry in std::fs::read_dir(place.path("cache/reference")).unwrap() {
        std::fs::write(entry.unwrap().path(), "broken").unwrap();
    }
    assert!(!run("--adapter-path d"));
    assert_eq!(
        curve(&place, "adapters")
            .iter()
            .map(|r| r["train_loss"].clone())
            .collect::<Vec<_>>(),
        curve(&place, "d")
            .iter()
            .map(|r| r["train_loss"].clone())
            .collect::<Vec<_>>()
    );
    // An adapter to start with is part of the reference.
    place.ok(&format!(
        "{RUN} --loss dpo --resume-adapter-file adapters --adapter-path e"
    ));
    place.ok("train --resume --adapter-path e --iters 7");
    std::fs::rename(place.path("adapters"), place.path("moved")).unwrap();
    let said = place.fails("train --resume --adapter-path e --iters 8");
    assert!(said.contains("began with is gone"), "{said}");
    let first = &curve(&place, "e")[0];
    assert!(
        (first["val_loss"].as_f64().unwrap() - std::f64::consts::LN_2).abs() < 1e-6,
        "{first}"
    );
}

#[test]
fn a_run_goes_on_exactly() {
    let place = Place::new();
    pairs(&place, plain);
    let tensors = |file: &str| {
        let all = std::fs::read(place.path(file)).unwrap();
        let header = u64::from_le_bytes(all[..8].try_into().unwrap()) as usize;
        all[8 + header..].to_vec()
    };
    for way in [
        "--loss dpo",
        "--loss dpo --fine-tune-type full --beta 0.3",
        "--loss orpo --grad-accumulation-steps 2",
        "--loss orpo --mask-prompt",
        "--loss simpo --simpo-gamma 1 --lora-dropout 0.2",
    ] {
        place.ok(&format!("{RUN} {way} --iters 8 --adapter-path whole"));
        place.ok(&format!("{RUN} {way} --iters 4 --adapter-path parts"));
        place.ok(&format!(
            "train --resume --iters 8 {way} --adapter-path parts"
        ));
        for file in ["adapters.safetensors", "state.safetensors"] {
            let (whole, parts) = (format!("whole/{file}"), format!("parts/{file}"));
            assert!(tensors(&whole) == tensors(&parts), "{way}: {file}");
        }
        for folder in ["whole", "parts"] {
            std::fs::remove_dir_all(place.path(folder)).unwrap();
        }
    }
}

#[test]
fn bad_pairs_have_their_own_errors() {
    let place = Place::new();
    for (row, error) in [
        (
            json!({"prompt": "a", "chosen": "b"}),
            "found \"chosen\" without \"rejected\"",
        ),
        (
            json!({"prompt": "a", "rejected": "b"}),
            "found \"rejected\" without \"chosen\"",
        ),
        (
            json!({"prompt": "a", "completion": "b"}),
            "expected {\"prompt\", \"chosen\", \"rejected\"}",
        ),
        (
            json!({"prompt": "a", "chosen": "", "rejected": "b"}),
            "\"chosen\" is empty",
        ),
        (
            json!({"prompt": "a", "chosen": "b", "rejected": []}),
            "\"rejected\" is empty",
        ),
        (
            json!({"prompt": "a", "chosen": 3, "rejected": "b"}),
            "expected a string or messages",
        ),
        (
            json!({"chosen": "a", "rejected": "b"}),
            "expected a \"prompt\"",
        ),
        (
            json!({"prompt": [{"content": "x"}], "chosen": "a", "rejected": "b"}),
            "without \"role\"",
        ),
    ] {
        place.write("pairs/train.jsonl", &row.to_string());
        let said = place.fails(&format!("{RUN} --loss dpo"));
        assert!(
            said.contains(error) && said.contains("line 1"),
            "{row}: {said}"
        );
    }
    pairs(&place, plain);
    let said = place.fails(RUN);
    assert!(said.contains("--loss dpo, orpo or simpo"), "{said}");
    // Another vocabulary.
    common::write_model(&place.path("other"), 7);
    let tokenizer = place.path("other/tokenizer.json");
    let text = std::fs::read_to_string(&tokenizer).unwrap();
    std::fs::write(
        &tokenizer,
        text.replace("\"T\":", "\"\u{1}\":")
            .replace("\"x\":", "\"T\":")
            .replace("\"\u{1}\":", "\"x\":"),
    )
    .unwrap();
    let said = place.fails(&format!("{RUN} --loss dpo --reference-model other"));
    assert!(said.contains("another vocabulary"), "{said}");
    let said = place.fails(&format!("{RUN} --loss dpo --reference-model nothing"));
    assert!(said.contains("--reference-model nothing"), "{said}");
}
