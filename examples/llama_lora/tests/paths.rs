//! Every path that a command takes, and every file in the folders that it reads and writes, as a FIFO, a directory, a
//! device, a loop of links, a path that is not UTF-8 and one without permission: one error, no hang, no panic.

#![cfg(unix)]
#![allow(missing_docs)]

mod common;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use clap::CommandFactory;
use common::{ends, text, Place, TRAIN};
use llama_lora::cli::Cli;

/// A path of a command: a command line that works, in which `{}` stands for the path.
struct PathOf {
    /// The command and its argument, by clap's name.
    argument: &'static str,
    line: &'static str,
    /// The kinds of path that it accepts beside the one in `line`.
    takes: &'static [&'static str],
}

const PATHS: &[PathOf] = &[
    PathOf {
        argument: "train config",
        line: "train --overwrite --iters 1 --model model --data data --config {}",
        // A file without settings is one.
        takes: &["empty"],
    },
    PathOf {
        argument: "train model",
        line: "train --overwrite --iters 1 --data data --model {}",
        takes: &[],
    },
    PathOf {
        argument: "train data",
        line: "train --overwrite --iters 1 --model model --data {}",
        takes: &[],
    },
    PathOf {
        argument: "train adapter_path",
        line: "train --overwrite --iters 1 --model model --data data --adapter-path {}",
        takes: &["folder", "missing", "not-utf-8"],
    },
    PathOf {
        argument: "train resume_adapter_file",
        line: "train --overwrite --iters 1 --model model --data data --resume-adapter-file {}",
        takes: &[],
    },
    PathOf {
        argument: "train reference_model",
        line: "train --overwrite --iters 1 --model model --data pairs --loss dpo --reference-model {}",
        takes: &[],
    },
    PathOf {
        argument: "lora reference_model",
        line: "lora --train --overwrite --iters 1 --model model --data pairs --loss dpo --reference-model {}",
        takes: &[],
    },
    PathOf {
        argument: "plot runs",
        line: "plot {}",
        takes: &[],
    },
    PathOf {
        argument: "plot out",
        line: "plot adapters --out {}",
        takes: &["empty", "missing", "dangling", "not-utf-8"],
    },
    PathOf {
        argument: "eval model",
        line: "eval --data data --model {}",
        takes: &[],
    },
    PathOf {
        argument: "eval data",
        line: "eval --model model --data {}",
        takes: &[],
    },
    PathOf {
        argument: "eval adapter_path",
        line: "eval --model model --data data --adapter-path {}",
        takes: &[],
    },
    PathOf {
        argument: "generate model",
        line: "generate --prompt x --max-tokens 1 --model {}",
        takes: &[],
    },
    PathOf {
        argument: "generate adapter_path",
        line: "generate --prompt x --max-tokens 1 --model model --adapter-path {}",
        takes: &[],
    },
    PathOf {
        argument: "bench model",
        line: "bench --tokens 8 --steps 1 --warmup 0 --model {}",
        takes: &[],
    },
    PathOf {
        argument: "synth config",
        line: "synth --in-memory --config {}",
        takes: &[],
    },
    PathOf {
        argument: "synth out",
        line: "synth --config tiny --out {}",
        takes: &["folder", "missing", "not-utf-8"],
    },
    PathOf {
        argument: "digest model",
        line: "digest {}",
        takes: &[],
    },
    PathOf {
        argument: "digest out",
        line: "digest model --out {}",
        takes: &["empty", "missing", "dangling", "not-utf-8"],
    },
    PathOf {
        argument: "explain model",
        line: "explain --tokens 8 {}",
        takes: &[],
    },
    PathOf {
        argument: "explain html",
        line: "explain model --tokens 8 --html {}",
        takes: &["empty", "missing", "dangling", "not-utf-8"],
    },
    PathOf {
        argument: "chat model",
        line: "chat --max-tokens 1 --model {}",
        takes: &[],
    },
    PathOf {
        argument: "chat adapter_path",
        line: "chat --max-tokens 1 --model model --adapter-path {}",
        takes: &[],
    },
    PathOf {
        argument: "chat load",
        line: "chat --max-tokens 1 --model model --load {}",
        takes: &[],
    },
    PathOf {
        argument: "fuse model",
        line: "fuse --no-adapter --save-path adapters/new --model {}",
        takes: &[],
    },
    PathOf {
        argument: "fuse adapter_path",
        line: "fuse --model model --save-path adapters/new --adapter-path {}",
        takes: &[],
    },
    PathOf {
        argument: "fuse save_path",
        line: "fuse --no-adapter --model model --save-path {}",
        takes: &["folder", "missing", "not-utf-8"],
    },
    PathOf {
        argument: "fuse gguf_path",
        line:
            "fuse --no-adapter --model model --save-path adapters/new --export-gguf --gguf-path {}",
        takes: &["empty", "missing", "dangling", "not-utf-8"],
    },
    PathOf {
        argument: "lora config",
        line: "lora --train --overwrite --iters 1 --model model --data data --config {}",
        takes: &["empty"],
    },
    PathOf {
        argument: "lora model",
        line: "lora --train --overwrite --iters 1 --data data --model {}",
        takes: &[],
    },
    PathOf {
        argument: "lora data",
        line: "lora --train --overwrite --iters 1 --model model --data {}",
        takes: &[],
    },
    PathOf {
        argument: "lora adapter_path",
        line: "lora --train --overwrite --iters 1 --model model --data data --adapter-path {}",
        takes: &["folder", "missing", "not-utf-8"],
    },
    PathOf {
        argument: "lora resume_adapter_file",
        line: "lora --train --overwrite --iters 1 --model model --data data --resume-adapter-file {}",
        takes: &[],
    },
];

/// Arguments that name no file, by clap's names.
const NO_PATHS: &[&str] = &[
    "backend",
    "command",
    "link",
    "processes",
    "ranks",
    "timeout",
    "beta",
    "decay_matrices_only",
    "lora_alpha",
    "lora_rank_pattern",
    "lora_scale_pattern",
    "loraplus_lr_ratio",
    "loss",
    "overwrite",
    "packing",
    "rslora",
    "simpo_gamma",
    "verbose",
    "bandwidth",
    "batch_size",
    "chat_template_config",
    "clear_cache_threshold",
    "compat",
    "dequantize",
    "device",
    "do_train",
    "dtype",
    "early_stopping",
    "epochs",
    "export_gguf",
    "fine_tune_type",
    "gguf_type",
    "grad_accumulation_steps",
    "grad_checkpoint",
    "help",
    "ignore_chat_template",
    "in_memory",
    "iters",
    "json",
    "keep_best",
    "kernel",
    "learning_rate",
    "length_buckets",
    "lora_dropout",
    "lora_keys",
    "lora_rank",
    "lora_scale",
    "mask_prompt",
    "max_grad_norm",
    "max_grad_value",
    "max_kv_size",
    "max_seq_length",
    "max_skipped_steps",
    "max_tokens",
    "memory_limit",
    "metrics_port",
    "min_p",
    "min_tokens_to_keep",
    "no_adapter",
    "num_layers",
    "optimizer",
    "overwrite",
    "pipeline",
    "prefill_step_size",
    "project_name",
    "prompt",
    "q_bits",
    "q_group_size",
    "q_mode",
    "quantize",
    "repetition_context_size",
    "repetition_penalty",
    "report_to",
    "resume",
    "save_every",
    "save_total_limit",
    "seed",
    "shard_size",
    "split",
    "steps",
    "steps_per_eval",
    "steps_per_report",
    "stop",
    "system_prompt",
    "temp",
    "test",
    "test_batches",
    "tflops",
    "tokens",
    "top_k",
    "top_p",
    "truncate",
    "trust_remote_code",
    "upload_repo",
    "val_batches",
    "warmup",
    "warmup_steps",
];

/// Makes the odd file or folder of `kind`, and returns its path.
fn odd(place: &Place, kind: &str) -> Option<OsString> {
    let path = place.path(&format!("odd-{kind}"));
    remove(&path);
    match kind {
        "missing" => {}
        "empty" => fs::write(&path, "").unwrap(),
        "folder" => fs::create_dir(&path).unwrap(),
        "fifo" => assert!(Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()),
        "zero" => symlink("/dev/zero", &path).unwrap(),
        "null" => symlink("/dev/null", &path).unwrap(),
        "loop" => symlink(&path, &path).unwrap(),
        "dangling" => {
            // A command before may have written through the link.
            remove(&path.with_file_name("nowhere"));
            symlink("nowhere", &path).unwrap();
        }
        "behind-a-file" => return Some("data/train.jsonl/x".into()),
        "no-name" => return Some("".into()),
        "long" => return Some("x".repeat(5000).into()),
        "not-utf-8" => {
            let name = OsStr::from_bytes(b"odd-\xff\xfe");
            remove(&place.path("").join(name));
            return Some(name.into());
        }
        "forbidden" => {
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            // Root may do everything.
            fs::read_dir(&path).err()?;
        }
        kind => panic!("{kind}"),
    }
    Some(path.into())
}

const ODD: [&str; 13] = [
    "missing",
    "dangling",
    "empty",
    "folder",
    "fifo",
    "zero",
    "null",
    "loop",
    "behind-a-file",
    "no-name",
    "long",
    "not-utf-8",
    "forbidden",
];

/// One error and no panic, or the output of the command.
#[track_caller]
fn settled(out: &Output, takes: bool, what: &str) -> String {
    let said = text(&out.stderr);
    assert!(!said.contains("panicked"), "{what}: {said}");
    if takes {
        assert!(out.status.success(), "{what}: {said}");
        return said;
    }
    // 2 is clap's own, for a text that is not UTF-8.
    assert!(
        matches!(out.status.code(), Some(1 | 2)),
        "{what}: {} {said}",
        out.status
    );
    assert_eq!(said.matches("error: ").count(), 1, "{what}: {said}");
    assert!(said.matches("os error").count() <= 1, "{what}: {said}");
    said
}

#[test]
fn every_path_of_every_command() {
    let place = Place::new();
    let pair = r#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#;
    place.write("pairs/train.jsonl", pair);
    place.train("");
    let mut runs = 0;
    for path in PATHS {
        for kind in ODD {
            let Some(odd) = odd(&place, kind) else {
                continue;
            };
            let mut command = place.command("");
            for word in path.line.split(' ') {
                command.arg(if word == "{}" {
                    &*odd
                } else {
                    OsStr::new(word)
                });
            }
            let what = format!("{} = {kind}", path.argument);
            command.stdin(Stdio::null());
            let said = settled(
                &ends(&mut command, &what),
                path.takes.contains(&kind),
                &what,
            );
            println!("{what}: {}", said.lines().last().unwrap_or_default());
            runs += 1;
            let _ = fs::remove_dir_all(place.path("adapters/new"));
        }
    }
    println!("{} paths, {} kinds: {runs} runs", PATHS.len(), ODD.len());
}

/// A new argument must be said to name a file or not.
#[test]
fn every_argument_is_known() {
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    for command in cli.get_subcommands().filter(|c| c.get_name() != "help") {
        for argument in command.get_arguments() {
            let name = format!("{} {}", command.get_name(), argument.get_id());
            if !NO_PATHS.contains(&argument.get_id().as_str()) {
                found.push(name);
            }
        }
    }
    let mut listed: Vec<&str> = PATHS.iter().map(|p| p.argument).collect();
    listed.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, listed);
}

/// Files in the folders that a command reads or writes, and the command.
#[test]
fn every_file_in_the_folders() {
    let place = Place::new();
    place.train("");
    let adapted = "eval --model model --data data --adapter-path adapters";
    let resumed = "train --resume --iters 8";
    let again = &format!("{TRAIN} --adapter-path adapters");
    let mut runs = 0;
    for (file, run) in [
        ("model/config.json", TRAIN),
        ("model/model.safetensors", TRAIN),
        ("model/model.safetensors.index.json", TRAIN),
        ("model/tokenizer.json", TRAIN),
        ("model/tokenizer_config.json", TRAIN),
        ("model/special_tokens_map.json", TRAIN),
        ("model/generation_config.json", TRAIN),
        ("model/chat_template.jinja", TRAIN),
        ("data/train.jsonl", TRAIN),
        ("data/valid.jsonl", TRAIN),
        ("data/test.jsonl", "eval --model model --data data"),
        ("adapters/adapters.safetensors", adapted),
        ("adapters/adapters.safetensors", again),
        ("adapters/adapter_config.json", again),
        ("adapters/state.safetensors", resumed),
        ("adapters/state.safetensors", again),
        ("adapters/metrics.jsonl", again),
        ("adapters/loss.svg", again),
        ("adapters/.lock", again),
    ] {
        let path = place.path(file);
        let kept = fs::read(&path).ok();
        for kind in ["folder", "fifo", "zero", "loop", "dangling", "forbidden"] {
            // A file can be written through a dangling link, and a dangling index counts as none.
            if kind == "dangling" && (run == again || file.ends_with("index.json")) {
                continue;
            }
            let Some(odd) = odd(&place, kind) else {
                continue;
            };
            let _ = fs::remove_file(&path);
            fs::rename(&odd, &path).unwrap();
            if kind == "loop" {
                fs::remove_file(&path).unwrap();
                symlink(&path, &path).unwrap();
            }
            let what = format!("{file} = {kind}: {run}");
            let out = ends(place.command(run).stdin(Stdio::null()), &what);
            let said = text(&out.stderr);
            assert!(!said.contains("panicked"), "{what}: {said}");
            // The curve is drawn again at each save, so its failure ends no run.
            match file.ends_with("loss.svg") {
                true => assert!(said.contains("loss.svg"), "{what}: {said}"),
                false => drop(settled(&out, false, &what)),
            }
            // A run that cannot save is not begun.
            assert!(run != again || file.ends_with("loss.svg") || !said.contains("train loss"));
            println!(
                "{what}: {:?} {}",
                out.status.code(),
                said.lines().last().unwrap_or_default()
            );
            runs += 1;
            remove(&path);
            if let Some(kept) = &kept {
                fs::write(&path, kept).unwrap();
            }
        }
    }
    println!("{runs} runs");
}

fn remove(path: &Path) {
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
}

/// The prompt may come from standard input, whatever that is.
#[test]
fn a_prompt_from_anything() {
    let place = Place::new();
    for (from, words) in [
        ("/dev/zero", "at most 64 MB"),
        ("model", "cannot read the prompt"),
        ("/dev/null", "expected a prompt"),
    ] {
        let mut command = place.command("generate --model model --ignore-chat-template --prompt -");
        command.stdin(fs::File::open(place.path(from)).unwrap());
        let said = settled(&ends(&mut command, from), false, from);
        assert!(said.contains(words), "{said}");
    }
}
