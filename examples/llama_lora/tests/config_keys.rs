//! Every key of mlx-lm's configuration changes something here, or is refused, or is said to mean nothing.
//! `mlx_lm/dump_config_keys.py` wrote the list.

#![allow(missing_docs)]

use llama_lora::cli::TrainArgs;
use llama_lora::settings::{FileSettings, Settings};
use serde_json::{json, Value};

fn dumped() -> Value {
    serde_json::from_str(include_str!("mlx_lm/config_keys.json")).unwrap()
}

/// The settings of a file, and the notes about its keys.
fn with(file: &Value) -> anyhow::Result<(Settings, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.yaml");
    // JSON is YAML.
    std::fs::write(&path, file.to_string()).unwrap();
    let notes = FileSettings::read(&path)?.notes;
    let args = TrainArgs {
        config: Some(path),
        ..TrainArgs::default()
    };
    Ok((Settings::resolve(&args)?, notes))
}

/// Another value of the same type.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => json!(0.5),
        Value::Bool(b) => json!(!b),
        Value::String(_) => json!("another"),
        Value::Array(list) => list.iter().map(other).collect(),
        Value::Number(n) => match n.as_i64() {
            Some(n) => json!(n + 1),
            None if n.as_f64() == Some(0.0) => json!(0.25),
            None => json!(n.as_f64().unwrap() * 0.5),
        },
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), other(v))).collect(),
    }
}

#[test]
fn no_key_is_ignored_without_a_word() {
    let dump = dumped();
    assert_eq!(dump["mlx_lm"], "0.32.2");
    let defaults = dump["defaults"].as_object().unwrap();
    let mut silent = Vec::new();
    let (mut honoured, mut refused, mut noted) = (0, 0, 0);
    for (key, value) in defaults {
        // Their own test is below.
        if matches!(key.as_str(), "optimizer_config" | "lr_schedule") {
            continue;
        }
        let changed = match key.as_str() {
            "train" => json!(false),
            "optimizer" => json!("sgd"),
            "fine_tune_type" => json!("full"),
            "lora_parameters" => {
                json!({"rank": 9, "scale": 10.0, "dropout": 0.0, "keys": ["self_attn.q_proj"]})
            }
            "report_to" => json!("wandb"),
            "resume_adapter_file" | "config" | "project_name" => json!("another"),
            _ => other(value),
        };
        match with(&json!({key: changed})) {
            Err(error) => {
                let error = format!("{error:#}");
                assert!(error.contains(key) && !error.contains("unknown"), "{error}");
                refused += 1;
            }
            Ok((_, notes)) if !notes.is_empty() => {
                assert!(notes[0].contains(&format!("{key} has no effect, because")));
                noted += 1;
            }
            Ok((settings, _)) if settings != Settings::default() => honoured += 1,
            Ok(_) => silent.push(key),
        }
        // null is as good as nothing, in mlx-lm, too.
        if key != "lora_parameters" {
            let (settings, notes) = with(&json!({key: null})).unwrap();
            assert!(settings == Settings::default() && notes.is_empty(), "{key}");
        }
    }
    assert_eq!(silent, Vec::<&String>::new());
    assert_eq!((honoured, refused, noted), (24, 1, 3));
    for flag in dump["flags"].as_array().unwrap() {
        assert!(defaults.contains_key(flag.as_str().unwrap()), "{flag}");
    }
}

#[test]
fn the_numbers_of_each_optimiser_and_schedule_are_mlxs() {
    let dump = dumped();
    for (name, numbers) in dump["optimizers"].as_object().unwrap() {
        let chosen = json!({"optimizer": name});
        let plain = with(&chosen).unwrap().0;
        for (key, value) in numbers.as_object().unwrap() {
            // Adam's bias correction is on here, while mlx-lm's is off.
            let changed = match key.as_str() {
                "bias_correction" => json!(false),
                _ => other(value),
            };
            let given = json!({name: {key: changed}});
            let settings = with(&json!({"optimizer": name, "optimizer_config": given}));
            let settings = settings.unwrap().0;
            assert!(
                settings.optimizer_config != plain.optimizer_config,
                "{name} {key}"
            );
            // Another optimiser's numbers change nothing, but are looked at.
            let others = json!({name: {key: {"no": "number"}}});
            let error =
                with(&json!({"optimizer": "lion", "optimizer_config": others})).unwrap_err();
            let error = format!("{error:#}");
            assert!(
                error.contains(&format!("optimizer_config.{name}")) && error.contains(key),
                "{error}"
            );
        }
    }
    for (name, arguments) in dump["schedules"].as_object().unwrap() {
        let arguments = arguments.as_object().unwrap();
        let values: Vec<Value> = arguments
            .keys()
            .map(|a| json!(if a.contains("step") { 10.0 } else { 0.5 }))
            .collect();
        let schedule =
            |values: &[Value]| with(&json!({"lr_schedule": {"name": name, "arguments": values}}));
        let needed = arguments
            .values()
            .filter(|default| default.is_null())
            .count();
        for n in 0..values.len() + 2 {
            let some: Vec<Value> = values.iter().cycle().take(n).cloned().collect();
            let accepted = (needed..=values.len()).contains(&n);
            assert_eq!(schedule(&some).is_ok(), accepted, "{name} {n}");
        }
    }
}

#[test]
fn unknown_keys_at_every_depth_and_keys_that_come_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.yaml");
    for (yaml, words) in [
        ("itres: 3", ["\"itres\"", "iters"]),
        ("test_batchs: 3", ["\"test_batchs\"", "test_batches"]),
        ("zzz: null", ["\"zzz\"", "known keys"]),
        ("lora_parameters: {rnak: 3}", ["lora_parameters", "rank"]),
        ("lora_parameters: [8]", ["lora_parameters", "key: value"]),
        (
            "lr_schedule: {nmae: cosine_decay, arguments: [1, 2]}",
            ["lr_schedule", "name"],
        ),
        (
            "lr_schedule: {name: cosine, arguments: [1, 2]}",
            ["lr_schedule", "cosine_decay"],
        ),
        ("optimizer_config: {adm: {}}", ["optimizer_config", "adam"]),
        (
            "optimizer_config: {sgd: {momentun: 1}}",
            ["optimizer_config.sgd", "momentum"],
        ),
        (
            "optimizer_config: {sgd: 3}",
            ["optimizer_config.sgd", "key: value"],
        ),
        (
            "optimizer_config: {adam: {betas: [0.9]}}",
            ["optimizer_config.adam", "betas"],
        ),
        ("iters: 1\niters: 2", ["iters", "duplicate"]),
        ("lora_parameters: {rank: 1, rank: 2}", ["rank", "duplicate"]),
        ("iters: 1.5", ["iters is 1.5", "invalid type"]),
        ("iters: true", ["iters is true", "invalid type"]),
        ("batch_size: -1", ["batch_size is -1", "invalid"]),
        (
            "seed: 18446744073709551616",
            ["seed", "18446744073709551616"],
        ),
        ("mask_prompt: 1", ["mask_prompt is 1", "invalid"]),
        ("learning_rate: fast", ["learning_rate is fast", "invalid"]),
        (
            "fine_tune_type: lokr",
            ["fine_tune_type is lokr", "expected lora"],
        ),
        ("report_to: comet", ["report_to is comet", "tensorboard"]),
        (
            "hf_dataset: {pth: x}",
            ["hf_dataset is pth", "unknown field `pth`"],
        ),
        (
            "hf_dataset: [{path: x, weight: y}]",
            ["hf_dataset is", "invalid type"],
        ),
        ("num_layers: 0", ["--num-layers", "-1 for all"]),
    ] {
        std::fs::write(&path, yaml).unwrap();
        let args = TrainArgs {
            config: Some(path.clone()),
            ..TrainArgs::default()
        };
        let error = format!("{:#}", Settings::resolve(&args).unwrap_err());
        for word in words {
            assert!(error.contains(word), "{yaml}: {error}");
        }
    }
}

#[test]
fn numbers_out_of_their_range_are_refused_with_the_range() {
    let number = |path: &str, n: Value| {
        let mut file = n;
        for key in path.rsplit('.') {
            file = json!({key: file});
        }
        if let Some(name) = path.strip_prefix("optimizer_config.") {
            file["optimizer"] = json!(name.split('.').next());
        }
        file
    };
    for (path, bad) in [
        ("iters", json!([0, u64::MAX])),
        ("batch_size", json!([0, 1_000_000_000, u64::MAX])),
        ("num_layers", json!([-2, 100_000])),
        ("learning_rate", json!([0, -1e-3, 1e-60, 1e60])),
        ("grad_accumulation_steps", json!([0, u64::MAX])),
        ("max_seq_length", json!([0, 1, u64::MAX])),
        ("length_buckets", json!([0, u64::MAX])),
        ("steps_per_report", json!([0, u64::MAX])),
        ("steps_per_eval", json!([0])),
        ("save_every", json!([0])),
        ("val_batches", json!([-2, i64::MAX])),
        ("test_batches", json!([-2, 0])),
        ("lora_parameters.rank", json!([0, -8, i32::MAX])),
        ("lora_parameters.scale", json!([0, 1e39])),
        ("lora_parameters.dropout", json!([1, -1])),
        (
            "optimizer_config.adam.betas",
            json!([[1, 0.9], [-0.1, 0.9]]),
        ),
        ("optimizer_config.adam.eps", json!([0, -1, 1e-60])),
        ("optimizer_config.adamw.weight_decay", json!([-1])),
        ("optimizer_config.sgd.momentum", json!([-1, 1])),
        ("optimizer_config.adafactor.clip_threshold", json!([0])),
        ("optimizer_config.adafactor.decay_rate", json!([0.8])),
        ("optimizer_config.adafactor.beta_1", json!([1])),
        ("optimizer_config.muon.ns_steps", json!([0, 1_000_000_000])),
        ("optimizer_config.lion.betas", json!([[0.9, 1]])),
    ] {
        let last = path.rsplit('.').next().unwrap();
        for value in bad.as_array().unwrap() {
            let error = format!("{:#}", with(&number(path, value.clone())).unwrap_err());
            let flag = last.replace('_', "-");
            assert!(
                error.contains(last) || error.contains(&flag),
                "{path} {value}: {error}"
            );
            assert!(
                error.contains("expected") || error.contains("leave it at 0"),
                "{error}"
            );
        }
    }
    for yaml in [
        "learning_rate: .nan",
        "learning_rate: .inf",
        "lora_parameters: {scale: .nan}",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        std::fs::write(&path, yaml).unwrap();
        let args = TrainArgs {
            config: Some(path),
            ..TrainArgs::default()
        };
        let error = format!("{:#}", Settings::resolve(&args).unwrap_err());
        assert!(error.contains("expected a finite number"), "{error}");
    }
}

mod mutated {
    use mlx_models::{json, Config};
    use proptest::prelude::*;

    use super::{Settings, TrainArgs, Value};

    const EXAMPLE: &str = include_str!("data/mlx_lm_lora_config.yaml");
    const MODEL: &str = include_str!("../configs/tiny.json");

    /// `text` with pieces in the place of some of its parts.
    fn mutated(text: &str, cuts: Vec<(prop::sample::Index, usize, usize)>) -> String {
        let mut text = text.to_owned();
        for (at, length, piece) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, PIECES[piece]);
            }
        }
        text
    }

    fn cuts() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, usize)>> {
        prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..12, 0..PIECES.len()),
            1..4,
        )
    }

    /// The pieces that are put into a file: numbers at the ends of their types, and pieces of syntax.
    const PIECES: [&str; 18] = [
        "18446744073709551615",
        "-1",
        "1e999",
        ".nan",
        "-.inf",
        ".00001",
        "null",
        "true",
        "\"",
        "{",
        "[",
        ":",
        "&a",
        "*a",
        "!!int",
        "\n  ",
        "\0",
        "\u{feff}",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Every file gives settings within their ranges, or an error.
        #[test]
        fn no_file_panics(cuts in cuts()) {
            let text = mutated(EXAMPLE, cuts);
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("c.yaml");
            std::fs::write(&path, text).unwrap();
            let args = TrainArgs { config: Some(path), ..TrainArgs::default() };
            if let Ok(settings) = Settings::resolve(&args) {
                prop_assert!(settings.learning_rate > 0.0 && settings.iters > 0 && settings.lora.scale.is_finite());
                if let Some(schedule) = settings.lr_schedule {
                    let built = schedule.build().unwrap();
                    for step in [0, 1, 1_000, u64::MAX] {
                        prop_assert!(built.at(step) >= 0.0);
                    }
                }
            }
        }

        /// The same for a config.json. If serde_json reads it, the result is the same.
        #[test]
        fn no_config_panics(cuts in cuts()) {
            let text = mutated(MODEL, cuts);
            if let Ok(config) = Config::parse(&text) {
                config.check().unwrap();
            }
            let plain = serde_json::from_str::<Value>(&text);
            if let (Ok(plain), Ok(ours)) = (plain, json::parse(&text)) {
                prop_assert_eq!(plain, ours);
            }
        }
    }
}
