//! Changed copies of every file that the program reads, by the mutations of `fuzz/`.

use std::fs;

use mlx_fuzz::{find, input};

use crate::calls::work;
use crate::child::Ended;
use crate::ground::{Ground, TRAIN};
use crate::runner::{End, Fault};

const EVAL: &str = "eval --model model --data data";
const ADAPTED: &str = "eval --model model --data data --adapter-path adapters";

/// A file, the target of `fuzz/` whose kind of text it is, a command that reads it, and how many copies.
const FILES: [(&str, &str, &str, u64); 18] = [
    ("model/config.json", "adapter", EVAL, 30),
    ("model/config.json", "adapter", "digest model", 10),
    (
        "model/config.json",
        "adapter",
        "explain model --tokens 8",
        10,
    ),
    (
        "model/tokenizer.json",
        "adapter",
        "generate --model model --prompt hi --max-tokens 4",
        20,
    ),
    (
        "model/tokenizer_config.json",
        "template",
        "generate --model model --prompt hi --max-tokens 4",
        30,
    ),
    ("model/model.safetensors", "safetensors", EVAL, 30),
    ("data/train.jsonl", "jsonl", TRAIN, 16),
    ("data/valid.jsonl", "jsonl", TRAIN, 8),
    ("data/test.jsonl", "jsonl", EVAL, 16),
    (
        "settings.yaml",
        "settings",
        "train -c settings.yaml --model model --data data --iters 2",
        30,
    ),
    ("adapters/adapters.safetensors", "safetensors", ADAPTED, 24),
    ("adapters/adapter_config.json", "adapter", ADAPTED, 24),
    (
        "adapters/state.safetensors",
        "safetensors",
        "train --resume --iters 8",
        30,
    ),
    (
        "adapters/metrics.jsonl",
        "jsonl",
        "train --resume --iters 8",
        10,
    ),
    (
        "model.gguf",
        "gguf",
        "eval --model model.gguf --data data",
        30,
    ),
    (
        "a.safetensors",
        "safetensors",
        "--work load a.safetensors",
        20,
    ),
    ("a.npy", "npy", "--work load a.npy", 20),
    ("a.gguf", "gguf", "--work load a.gguf", 20),
];

pub fn faults(ground: &Ground) -> Vec<Fault> {
    let mut all = Vec::new();
    for (file, kind, args, most) in FILES {
        for i in 0..most * ground.times as u64 {
            all.push(Fault::new(
                format!("copy {i} of {file}; {args}"),
                move |ground| mutated(ground, file, kind, args, i),
            ));
        }
    }
    all
}

/// Bytes at the beginning of a file that change; the rest stays.
const HEAD: usize = 20_000;

fn mutated(ground: &Ground, file: &str, kind: &str, args: &str, case: u64) -> End {
    let place = ground.place();
    place.own_files();
    if file.starts_with("adapters") {
        place.half_a_run();
    }
    let path = place.path.join(file);
    let seeds = match fs::read(&path) {
        Ok(whole) => vec![whole],
        Err(_) => find(kind).unwrap().seeds(),
    };
    let tail = match &seeds[..] {
        [one] if one.len() > HEAD => one[HEAD..].to_vec(),
        _ => Vec::new(),
    };
    let heads: Vec<Vec<u8>> = seeds
        .iter()
        .map(|s| s[..s.len().min(HEAD)].to_vec())
        .collect();
    let mut changed = input(find(kind).unwrap(), &heads, ground.seed, case);
    changed.extend(tail);
    fs::write(&path, changed).unwrap();
    // A number of the file that is taken at its word shows as a lack of memory.
    let command = match args.starts_with("--work") {
        true => work(&place, args),
        false => place.shell("ulimit -v 8000000;", args, ""),
    };
    let ended = place.start(command).end();
    let worked = ended.worked();
    check_results(&ended, args, worked);
    if worked {
        End::Done
    } else {
        End::Refused
    }
}

fn check_results(ended: &Ended, args: &str, worked: bool) {
    if worked && args.starts_with("eval") {
        let loss = ended
            .stdout
            .split("loss ")
            .nth(1)
            .and_then(|t| t.split(',').next());
        let loss: f64 = loss.unwrap().parse().unwrap();
        assert!(loss.is_finite(), "{ended}");
    }
    if !worked {
        let error = ended.error();
        assert!(
            error.len() < 4000,
            "an error of {} bytes: {error:.400}",
            error.len()
        );
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}
