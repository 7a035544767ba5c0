//! Files as they are found: no file, however large or strange, hangs the program or fills the memory.

#![allow(missing_docs)]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{ends, message, Place, TRAIN};

#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

/// Runs a command that must fail at once, with a limited address space so that endless input is noticed.
#[track_caller]
fn fails(place: &Place, args: &str) -> String {
    let out = ends(place.command(args).stdin(Stdio::null()), args);
    let text = message(&out, 1);
    assert!(text.matches("os error").count() <= 1, "{text}");
    text
}

#[cfg(unix)]
#[test]
fn directories_fifos_and_devices_in_place_of_files() {
    let place = Place::new();
    place.train("");
    place.write("c.yaml", "iters: 3\n");
    let adapted = "eval --model model --data data --adapter-path adapters";
    for (file, run) in [
        ("c.yaml", "train -c c.yaml"),
        ("model/config.json", TRAIN),
        ("model/tokenizer.json", TRAIN),
        ("model/tokenizer_config.json", TRAIN),
        ("model/chat_template.jinja", TRAIN),
        ("model/generation_config.json", TRAIN),
        ("data/train.jsonl", TRAIN),
        ("data/valid.jsonl", TRAIN),
        ("data/test.jsonl", "eval --model model --data data"),
        (
            "model/config.json",
            "synth --config model/config.json --in-memory",
        ),
        ("adapters/adapter_config.json", adapted),
    ] {
        let path = place.path(file);
        let kept = fs::read(&path).ok();
        if file.starts_with("adapters") {
            // The weights' own copy of the configuration wins, if there is one.
            common::strip_metadata(&place.path("adapters/adapters.safetensors"));
        }
        for (make, words) in [
            ("mkdir", ["expected a file", "a directory"]),
            ("mkfifo", ["expected a file", "a FIFO"]),
            ("ln -s /dev/zero", ["expected a file", "a device"]),
        ] {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir(&path);
            let mut words_of = make.split(' ');
            let made = Command::new(words_of.next().unwrap())
                .args(words_of)
                .arg(&path)
                .status();
            assert!(made.unwrap().success());
            let text = fails(&place, run);
            if run.starts_with("synth") {
                // A path that is no file is no configuration.
                says(&text, &["model/config.json"]);
            } else {
                says(&text, &words);
                says(&text, &[file]);
            }
        }
        let _ = fs::remove_file(&path);
        if let Some(kept) = kept {
            fs::write(&path, kept).unwrap();
        }
    }
}

#[test]
fn files_and_lines_without_end() {
    let place = Place::new();
    // Sparse: they take no room.
    let large = |name: &str, bytes: u64| {
        let file = fs::File::create(place.path(name)).unwrap();
        file.set_len(bytes).unwrap();
    };
    large("c.yaml", 10 << 30);
    says(
        &fails(&place, "train -c c.yaml"),
        &["c.yaml", "at most 64 MB"],
    );
    let config = fs::read(place.path("model/config.json")).unwrap();
    large("model/config.json", 10 << 30);
    says(&fails(&place, TRAIN), &["config.json", "at most 64 MB"]);
    fs::write(place.path("model/config.json"), config).unwrap();
    large("data/train.jsonl", 10 << 30);
    says(
        &fails(&place, TRAIN),
        &["train.jsonl, line 1", "at most 64 MB in a line"],
    );
}

#[test]
fn data_with_a_byte_order_mark_or_numbers_of_python_in_columns_that_are_not_used() {
    let place = Place::new();
    let plain = fs::read_to_string(place.path("data/train.jsonl")).unwrap();
    let config = fs::read_to_string(place.path("model/config.json")).unwrap();
    let infinite = config.replacen('{', "{\"time_step_limit\": [0.0, Infinity], ", 1);
    place.write("model/config.json", &format!("\u{feff}{infinite}"));
    place.train("");
    let adapter = || fs::read(place.path("adapters/adapters.safetensors")).unwrap();
    let wanted = adapter();
    let numbers = plain.replace(
        "{\"",
        "{\"weight\": NaN, \"more\": [-Infinity, {\"a\": 1e999}], \"",
    );
    assert!(numbers != plain);
    for text in [
        format!("\u{feff}{plain}"),
        plain.replace('\n', "\r\n"),
        numbers,
    ] {
        place.write("data/train.jsonl", &text);
        place.train("");
        assert!(adapter() == wanted, "{text:.60}");
    }
    let good = plain.lines().next().unwrap();
    for (line, words) in [
        (
            "{\"prompt\": NaN, \"completion\": \"b\"}",
            ["\"prompt\" holds NaN", "line 2"],
        ),
        (
            "{\"prompt\": \"a\", \"completion\": 1e999}",
            ["\"completion\" holds 1e999", "line 2"],
        ),
        (
            "{\"prompt\": \"a\", \"completion\": [1]}",
            ["\"completion\" is [1], expected a string", "line 2"],
        ),
        (
            "{\"prompt\": \"a\", \"completion\": \"b\", \"tools\": [{\"x\": -Infinity}]}",
            ["\"tools\" holds -Infinity", "line 2"],
        ),
        (
            "{\"prompt\": \"a\", \"prompt\": \"c\", \"completion\": \"b\"}",
            ["\"prompt\" comes twice", "line 2"],
        ),
    ] {
        place.write("data/train.jsonl", &format!("{good}\n{line}\n"));
        says(&place.fails(TRAIN), &words);
        says(&place.fails(TRAIN), &["train.jsonl"]);
    }
    let utf_16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(
        place.path("data/train.jsonl"),
        [&[0xff, 0xfe], &utf_16[..]].concat(),
    )
    .unwrap();
    says(&place.fails(TRAIN), &["train.jsonl", "UTF-16", "iconv"]);
    place.write("c.yaml", "\u{feff}iters: 3\r\nbatch_size: 2\r\n");
    place.write("data/train.jsonl", &plain);
    place.ok(&format!("{TRAIN} -c c.yaml"));
}

#[test]
fn errors_of_the_operating_system_are_printed_once() {
    let place = Place::new();
    for run in [
        "train -c nothing.yaml",
        &TRAIN.replace("--model model", "--model data"),
        "eval --model model --data data --adapter-path model",
        &format!("{TRAIN} --adapter-path model/config.json/a"),
        "train --resume --adapter-path nothing",
    ] {
        fails(&place, run);
    }
}
