//! Covers what a run leaves for people: reports for other programs, pictures of its losses, and an adapter that no other run
//! overwrites.
//!
//! `reporting/dump.py` dumped records as TensorBoard's own writer makes them.

#![allow(missing_docs)]

mod common;

use common::{text, Place, TRAIN};
use llama_lora::tensorboard::{record, scalars, version};
use serde_json::Value;

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

#[test]
fn records_are_tensorboards() {
    let dump: Value = serde_json::from_str(include_str!("reporting/dump.json")).unwrap();
    assert_eq!(record(&version(1.5)), bytes(&dump["version"]));
    let values = [("train/loss", 2.25), ("train/learning_rate", 1e-5)];
    assert_eq!(record(&scalars(2.5, 300, &values)), bytes(&dump["scalars"]));
}

/// The payloads of the records of a file.
fn records(all: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = all;
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        found.push(&rest[12..12 + length]);
        assert_eq!(record(&rest[12..12 + length]), rest[..16 + length]);
        rest = &rest[16 + length..];
    }
    found
}

#[test]
fn reports_go_to_tensorboards_files() {
    let place = Place::new();
    let run = TRAIN.replace(" --overwrite", "");
    let out = place.ok(&format!(
        "{run} --report-to tensorboard,wandb --project-name mine"
    ));
    for command in [
        "tensorboard --logdir adapters/tensorboard",
        "wandb sync -p mine adapters/tensorboard",
    ] {
        assert!(out.contains(command), "{out}");
    }
    let files = || {
        let all = std::fs::read_dir(place.path("adapters/tensorboard")).unwrap();
        let mut all: Vec<_> = all.map(|e| e.unwrap().path()).collect();
        all.sort();
        all
    };
    let content = std::fs::read(&files()[0]).unwrap();
    let found = records(&content);
    let lines = std::fs::read_to_string(place.path("adapters/metrics.jsonl")).unwrap();
    // The version, and a record for each line.
    assert_eq!(found.len(), 1 + lines.lines().count());
    let has = |tag: &str| {
        found
            .iter()
            .filter(|r| r.windows(tag.len()).any(|w| w == tag.as_bytes()))
            .count()
    };
    assert_eq!((has("train/loss"), has("valid/loss")), (6, 3));
    // A run that goes on writes a file of its own.
    place.ok("train --resume --iters 8");
    assert_eq!(files().len(), 2);
}

#[test]
fn no_run_overwrites_an_adapter_by_accident() {
    let place = Place::new();
    let run = TRAIN.replace(" --overwrite", "");
    place.ok(&run);
    let before = std::fs::read(place.path("adapters/adapters.safetensors")).unwrap();
    let said = place.fails(&run);
    for word in ["--resume", "--overwrite", "--adapter-path"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(
        std::fs::read(place.path("adapters/adapters.safetensors")).unwrap(),
        before
    );
    place.ok(&format!("{run} --overwrite --seed 5"));
    assert_ne!(
        std::fs::read(place.path("adapters/adapters.safetensors")).unwrap(),
        before
    );
    let said = place.fails("train --resume --iters 3");
    assert!(said.contains("has done 6 steps"), "{said}");
    let out = place.run("train --resume --overwrite");
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
}

#[test]
fn runs_are_compared_on_a_page() {
    let place = Place::new();
    place.train("--adapter-path one");
    place.train("--adapter-path two --learning-rate 1e-3 --fine-tune-type full");
    place.ok("plot one two");
    let page = std::fs::read_to_string(place.path("losses.html")).unwrap();
    for words in [
        "<svg",
        ">one<",
        ">two<",
        "<td>full</td>",
        "prefers-color-scheme:dark",
        "viewport",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("http://") || page.contains("http://www.w3.org/2000/svg"));
    place.ok("plot one -o one.svg");
    let picture = std::fs::read_to_string(place.path("one.svg")).unwrap();
    assert!(picture.contains("</svg>"), "{picture}");
    let saved = std::fs::read_to_string(place.path("two/loss.svg")).unwrap();
    assert!(
        saved.contains("model · data · learning rate 0.001"),
        "{saved}"
    );
    let said = place.fails("plot one data");
    assert!(said.contains("data has no metrics.jsonl"), "{said}");
}

#[test]
fn lines_have_columns_and_colours_only_where_they_are_wanted() {
    let place = Place::new();
    let out = place.run(TRAIN);
    let said = text(&out.stderr);
    assert!(!said.contains('\u{1b}'), "{said}");
    let starts: Vec<usize> = said
        .lines()
        .filter_map(|l| {
            l.find("train loss")
                .or(l.find("valid loss"))
                .filter(|_| l.starts_with("step"))
        })
        .collect();
    assert!(
        starts.len() > 6 && starts.iter().all(|s| *s == starts[0]),
        "{said}"
    );
}
