//! Missing numbers: rows without a target, values that are not finite, settings that were not given.

#![allow(missing_docs)]

mod common;

use std::fs;
use std::path::Path;

use common::{text, Place, TRAIN};
use serde_json::{json, Value};

#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

/// Puts `value` in the place of one float32 of a tensor.
fn set(path: &Path, tensor: &str, at: usize, value: f32) {
    let mut bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let map: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    assert_eq!(map[tensor]["dtype"], "F32", "{tensor}");
    let from = map[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    let from = 8 + header + from + 4 * at;
    bytes[from..from + 4].copy_from_slice(&value.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

/// The reports of training: loss, and targets since the report before.
fn reports(place: &Place) -> Vec<(f64, f64)> {
    let text = fs::read_to_string(place.path("adapters/metrics.jsonl")).unwrap();
    let mut before = 0.0;
    let lines = text
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap());
    lines
        .filter(|l| l["train_loss"].is_number())
        .map(|l| {
            let targets = l["trained_tokens"].as_f64().unwrap();
            let new = targets - before;
            before = targets;
            (l["train_loss"].as_f64().unwrap(), new)
        })
        .collect()
}

/// Rows of which every second one has a prompt that `--max-seq-length 40` leaves no answer of.
fn half_cut() -> (String, String) {
    let row = |prompt: String, n: usize| {
        json!({"prompt": prompt, "completion": "y".repeat(n)}).to_string() + "\n"
    };
    let short: Vec<String> = (0..6).map(|i| row(format!("s {i}"), 3 + i * 4)).collect();
    let long = |i| row(format!("l {i} {}", "z".repeat(50)), 2);
    let both = short.iter().enumerate().map(|(i, s)| long(i) + s).collect();
    (short.concat(), both)
}

#[test]
fn rows_without_a_target_change_no_number() {
    let place = Place::new();
    let (short, both) = half_cut();
    let run = format!("{TRAIN} --mask-prompt --truncate --max-seq-length 40 --iters 8");
    let mut all = Vec::new();
    for rows in [&short, &both] {
        for split in ["train", "valid", "test"] {
            place.write(&format!("data/{split}.jsonl"), rows);
        }
        let out = place.run(&run);
        let said = text(&out.stderr);
        assert!(out.status.success(), "{said}");
        let eval = "eval --model model --data data --mask-prompt --truncate --max-seq-length 40 --adapter-path adapters";
        all.push((
            reports(&place),
            fs::read(place.path("adapters/adapters.safetensors")).unwrap(),
            place.ok(eval),
        ));
        if rows == &both {
            says(
                &said,
                &[
                    "train.jsonl: 6 of 12 rows are longer than 40 tokens and are cut",
                    "train.jsonl: 6 of 12 rows are left out",
                    "valid.jsonl: 6 of 12",
                ],
            );
        }
    }
    assert_eq!(all[0].0, all[1].0);
    assert!(all[0].1 == all[1].1, "the adapters differ");
    assert_eq!(all[0].2, all[1].2);
}

#[test]
fn no_target_at_all_is_an_error_before_the_first_step() {
    let place = Place::new();
    for flags in ["", " --compat", " --grad-accumulation-steps 3"] {
        let text = place.fails(&format!(
            "{TRAIN} --mask-prompt --truncate --max-seq-length 8{flags}"
        ));
        says(&text, &["has a target", "--max-seq-length"]);
        assert!(!place.path("adapters/adapters.safetensors").exists());
    }
    let text =
        place.fails("eval --model model --data data --mask-prompt --truncate --max-seq-length 8");
    says(
        &text,
        &["none of the 5 rows of", "test.jsonl", "--max-seq-length"],
    );
}

/// A report of several steps is the mean over their targets, of reports that were made after each step.
#[test]
fn reported_means_are_sums_over_targets_by_their_number() {
    let place = Place::new();
    let (_, both) = half_cut();
    place.write("data/train.jsonl", &both);
    for flags in [
        "",
        " --grad-accumulation-steps 2",
        " --compat",
        " --compat --grad-accumulation-steps 2",
        " --compat --batch-size 1",
    ] {
        let run = format!("{TRAIN} --mask-prompt --truncate --max-seq-length 40 --iters 12 --val-batches 0{flags}");
        place.ok(&run);
        let each = reports(&place);
        place.ok(&format!("{run} --steps-per-report 4"));
        let fours = reports(&place);
        assert!(each.iter().all(|(_, n)| *n > 0.0), "{each:?}");
        let sum = |all: &[(f64, f64)]| all.iter().map(|(l, n)| l * n).sum::<f64>();
        let count = |all: &[(f64, f64)]| all.iter().map(|(_, n)| n).sum::<f64>();
        assert_eq!(count(&each), count(&fours));
        let (a, b) = (sum(&each) / count(&each), sum(&fours) / count(&fours));
        assert!((a - b).abs() < 1e-9 * a, "{flags}: {a} {b}");
        // The rows differ in length, so that the plain mean is another number.
        let plain = each.iter().map(|(l, _)| l).sum::<f64>() / each.len() as f64;
        assert!((a - plain).abs() > 1e-5, "{flags}: {a} {plain}");
    }
}

#[test]
fn an_answer_that_was_cut_is_not_asked_for() {
    let place = Place::new();
    let rows = json!({"prompt": "a", "completion": "b"}).to_string()
        + "\n"
        + &json!({"prompt": "a", "completion": "b".repeat(50)}).to_string();
    place.write("data/test.jsonl", &rows);
    let out = place.ok("eval --model model --data data --truncate --max-seq-length 30");
    says(
        &out,
        &["exact match 0/1", "leaves out 1 answers without an end"],
    );
}

const NAMED: &str = "model.layers.1.mlp.up_proj.weight";

#[test]
fn weights_that_are_not_finite_are_named_by_every_command() {
    for (value, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "infinity")] {
        let place = Place::new();
        set(&place.path("model/model.safetensors"), NAMED, 7, value);
        for run in [
            "eval --model model --data data",
            "generate --model model --prompt hello",
            "generate --model model --prompt hello --temp 1",
            "bench --model model --tokens 8 --batch-size 1 --steps 2 --warmup 1",
            TRAIN,
            &format!("{TRAIN} --val-batches 0"),
            &format!("{TRAIN} --val-batches 0 --max-skipped-steps 100"),
            &format!("{TRAIN} --val-batches 0 --max-skipped-steps 0"),
            &format!("{TRAIN} --val-batches 0 --grad-accumulation-steps 2"),
        ] {
            says(&place.fails(run), &[NAMED, "of model holds", word]);
        }
        assert!(!place.path("adapters/adapters.safetensors").exists());
    }
}

#[test]
fn an_adapter_that_is_not_finite_is_named_by_every_command() {
    let place = Place::new();
    place.train("");
    let name = "model.layers.0.self_attn.q_proj.lora_b";
    set(
        &place.path("adapters/adapters.safetensors"),
        name,
        3,
        f32::NAN,
    );
    for run in [
        "eval --data data --adapter-path adapters",
        "generate --adapter-path adapters --prompt hello",
        &format!("{TRAIN} --resume-adapter-file adapters --adapter-path more"),
    ] {
        says(&place.fails(run), &[name, "of adapters", "holds NaN"]);
    }
}

#[test]
fn eval_measures_what_the_adapter_was_trained_on() {
    let place = Place::new();
    place.write("data/test.jsonl", &half_cut().1);
    place.train("--mask-prompt --truncate --max-seq-length 40");
    let said = "eval --model model --data data --mask-prompt --truncate --max-seq-length 40 --adapter-path adapters";
    let out = place.run("eval --adapter-path adapters");
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(text(&out.stdout), place.ok(said));
    says(
        &text(&out.stderr),
        &["as in the adapter's run: --data data --mask-prompt=true --max-seq-length 40 --truncate=true"],
    );
    // Each of them can be said otherwise.
    let all = place.ok("eval --adapter-path adapters --mask-prompt=false");
    assert!(all != text(&out.stdout));
    says(
        &place.fails("eval --adapter-path adapters --truncate=false"),
        &["--truncate"],
    );

    // mlx-lm's configuration names the data too; without it the data must be given.
    let path = place.path("adapters/adapter_config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let weights = place.path("adapters/adapters.safetensors");
    common::strip_metadata(&weights);
    config.as_object_mut().unwrap().remove("data");
    fs::write(&path, config.to_string()).unwrap();
    says(
        &place.fails("eval --adapter-path adapters"),
        &["--data FOLDER"],
    );
    place.ok("eval --adapter-path adapters --data data");
    // Without an adapter the data set that comes with the program is named.
    let out = place.run("eval --model model");
    says(&text(&out.stderr), &["by default: --data fetch-language"]);
}

#[test]
fn generate_uses_the_template_only_where_the_adapter_learnt_with_it() {
    let place = Place::new();
    let prompt = |args: &str| {
        let out = place.run(&format!(
            "generate --adapter-path adapters --prompt abc --max-tokens 1 {args}"
        ));
        let said = text(&out.stderr);
        assert!(out.status.success(), "{said}");
        let line = said
            .lines()
            .find(|l| l.contains("tokens of prompt"))
            .unwrap();
        line.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    place.train("");
    assert_eq!((prompt(""), prompt("--ignore-chat-template")), (10, 3));
    for split in ["train", "valid"] {
        place.write(
            &format!("data/{split}.jsonl"),
            "{\"text\": \"some words\"}\n",
        );
    }
    place.train("");
    assert_eq!(
        (prompt(""), prompt("--ignore-chat-template=false")),
        (3, 10)
    );
}

#[test]
fn no_id_and_no_place_beyond_the_model() {
    let place = Place::new();
    let file = place.path("model/tokenizer_config.json");
    let whole = fs::read_to_string(&file).unwrap();
    // The end is then config.json's, which is no row of the embedding.
    let mut config: Value = serde_json::from_str(&whole).unwrap();
    config
        .as_object_mut()
        .unwrap()
        .retain(|key, _| key == "bos_token");
    fs::write(&file, config.to_string()).unwrap();
    let mut sizes = common::config();
    sizes["eos_token_id"] = json!(258);
    place.write("model/config.json", &sizes.to_string());
    for run in [TRAIN, "eval --model model --data data"] {
        says(&place.fails(run), &["258", "less than 258"]);
    }
    fs::write(&file, whole).unwrap();

    sizes["max_position_embeddings"] = json!(16);
    place.write("model/config.json", &sizes.to_string());
    says(
        &place.fails("eval --model model --data data"),
        &["test.jsonl, line", "16"],
    );
    // Rotations go on behind it, for worse text.
    let long = format!(
        "generate --model model --max-tokens 4 --prompt {}",
        "x".repeat(20)
    );
    let out = place.run(&long);
    assert!(out.status.success());
    says(&text(&out.stderr), &["27 tokens", "16"]);
}

#[test]
fn an_adapter_that_is_no_number_is_not_saved() {
    let place = Place::new();
    place.train("--save-every 1");
    let path = place.path("adapters/adapters.safetensors");
    let good = fs::read(&path).unwrap();
    // One step from a finite loss, by a finite gradient, to a value beyond float32.
    let run = format!("{TRAIN} --optimizer sgd --learning-rate 3e38 --iters 1 --val-batches 0");
    says(
        &place.fails(&run),
        &[
            "cannot be saved",
            "lora_b",
            "infinity",
            "adapters is intact",
        ],
    );
    assert!(fs::read(&path).unwrap() == good);
}

#[test]
fn a_batch_is_no_larger_than_the_data() {
    let place = Place::new();
    place.train("--batch-size 12");
    let adapter = || fs::read(place.path("adapters/adapters.safetensors")).unwrap();
    let state = |bytes: Vec<u8>| bytes[bytes.len() - 4096..].to_vec();
    let twelve = state(adapter());
    // 65536 rows of padding would not fit in the memory.
    place.train("--batch-size 65536");
    assert!(state(adapter()) == twelve);
    let eval = |rows: usize| place.ok(&format!("eval --adapter-path adapters --batch-size {rows}"));
    assert_eq!(eval(65536), eval(5));
}

#[test]
fn what_comes_from_an_adapter_is_said() {
    let place = Place::new();
    place.train("");
    fs::rename(place.path("model"), place.path("other")).unwrap();
    let out = place.run("eval --model other --adapter-path adapters");
    assert!(out.status.success());
    says(
        &text(&out.stderr),
        &["the adapter was trained on model, and is used with other"],
    );
    let run = TRAIN.replace("--model model", "--model other");
    let out = place.run(&format!(
        "{run} --resume-adapter-file adapters --lora-rank 7 --adapter-path more"
    ));
    assert!(out.status.success());
    says(
        &text(&out.stderr),
        &[
            "as in adapters: --lora-rank 2 --lora-scale 20 --num-layers 2",
            "training on 12 rows of data, measuring on 5",
        ],
    );
    let path = place.path("adapters/adapter_config.json");
    common::strip_metadata(&place.path("adapters/adapters.safetensors"));
    for (from, to, word) in [
        ("\"rank\": 2", "\"rank\": -2", "--lora-rank is -2"),
        ("\"scale\": 20.0", "\"scale\": 1e60", "--lora-scale"),
    ] {
        let whole = fs::read_to_string(&path).unwrap();
        assert!(whole.contains(from), "{whole}");
        fs::write(&path, whole.replace(from, to)).unwrap();
        says(
            &place.fails("eval --model other --data data --adapter-path adapters"),
            &[word, "adapters"],
        );
        fs::write(&path, whole).unwrap();
    }
}
