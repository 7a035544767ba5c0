//! Covers `generate` and `chat`: how the next token is chosen, stop texts, a cache of limited size, names for the chat
//! template, standard input, and conversations without a terminal.

#![allow(missing_docs)]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use common::{message, text, write_tokenizer, Place};
use llama_lora::generate::{Reader, Writing};
use llama_lora::text::from_folder;
use mlx_models::llama::Llama;
use mlx_models::Config;
use mlx_runtime::model::{load, LoadOptions};
use mlx_runtime::{io, ops, Array, Dtype};
use serde_json::Value;

#[test]
fn a_cache_of_limited_size_is_mlx_lms() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuse/lora/model");
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = Arc::new(Config::parse(&config).unwrap());
    let mut weights = io::load_safetensors_folder(&folder).unwrap();
    for (name, a) in &mut weights {
        let factor = Array::scalar(if name.contains("self_attn") {
            12f32
        } else {
            1.0
        })
        .unwrap();
        *a = ops::multiply(&ops::astype(a, Dtype::Float32).unwrap(), &factor).unwrap();
    }
    let model: Llama = load(&config, weights.into(), &LoadOptions::new(Dtype::Float32)).unwrap();
    let place = tempfile::tempdir().unwrap();
    write_tokenizer(&place.path().join("tokenizer.json"));
    std::fs::write(
        place.path().join("tokenizer_config.json"),
        r#"{"eos_token": "</s>"}"#,
    )
    .unwrap();
    let words = from_folder(place.path()).unwrap();
    let dump: Value = serde_json::from_str(include_str!("generating/dump.json")).unwrap();
    let ids = |list: &Value| -> Vec<u32> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap() as u32)
            .collect()
    };
    for case in dump["cases"].as_array().unwrap() {
        let size = case["size"].as_i64().map(|n| n as i32);
        let step = case["step"].as_u64().unwrap() as usize;
        let mut reader = Reader::new(&model, size, step).unwrap();
        let out = reader
            .write(&words, &ids(&dump["prompt"]), &Writing::greedy(24), |_| {
                Ok(true)
            })
            .unwrap();
        assert_eq!(out.tokens, ids(&case["tokens"]), "{case}");
    }
    // Tokens that were read are not read again, those that differ are.
    let mut reader = Reader::new(&model, None, 4).unwrap();
    let prompt = ids(&dump["prompt"]);
    for prompt in [&prompt[..9], &prompt[..], &prompt[3..20], &prompt[..20]] {
        let mut fresh = Reader::new(&model, None, 2048).unwrap();
        let all = |reader: &mut Reader<'_, Llama>| {
            reader
                .write(&words, prompt, &Writing::greedy(5), |_| Ok(true))
                .unwrap()
                .tokens
        };
        assert_eq!(all(&mut reader), all(&mut fresh));
    }
}

#[test]
fn flags_decide_the_answer() {
    let place = Place::new();
    let ask = |more: &str| {
        place.ok(&format!(
            "generate --model model --prompt hello -m 16 {more}"
        ))
    };
    let plain = ask("");
    assert_eq!(ask("--temp 1 --top-k 1 --seed 3"), plain);
    assert_eq!(ask("--temp 1 --min-p 1 --seed 3"), plain);
    let drawn = ask("--temp 3 --seed 3");
    assert_eq!(ask("--temp 3 --seed 3"), drawn);
    assert_ne!(ask("--temp 3 --seed 4"), drawn);
    // Without a seed it is another one each time, which is printed.
    let out = place.run("generate --model model --prompt hello -m 16 --temp 3");
    let stderr = text(&out.stderr);
    let seed = stderr
        .split("--seed ")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    assert_eq!(ask(&format!("--temp 3 --seed {seed}")), text(&out.stdout));
    assert_ne!(ask("--repetition-penalty 1.5"), plain);
    let end = plain.chars().nth(3).unwrap();
    if end.is_ascii_alphanumeric() {
        let wanted = plain.split(end).next().unwrap();
        assert_eq!(ask(&format!("--stop {end}")).trim_end(), wanted.trim_end());
    }
}

#[test]
fn names_reach_the_chat_template() {
    let place = Place::new();
    place.write("model/chat_template.jinja", "{% if enable_thinking is defined and not enable_thinking %}no{% endif %}{{ messages[0].content }}");
    let prompt = |more: &[&str]| {
        let mut command = place.command("generate --model model --prompt hi -m 1");
        text(&command.args(more).output().unwrap().stderr)
    };
    assert!(
        prompt(&[]).contains("2 tokens of prompt"),
        "{}",
        prompt(&[])
    );
    let thinking = prompt(&["--chat-template-config", r#"{"enable_thinking": false}"#]);
    assert!(thinking.contains("4 tokens of prompt"), "{thinking}");
    for (json, expected) in [
        ("{", "expected a JSON object"),
        ("[1]", "expected a JSON object"),
        (r#"{"messages": []}"#, "other names"),
    ] {
        let mut command = place.command("generate --model model --prompt hi");
        let error = message(
            &command
                .args(["--chat-template-config", json])
                .output()
                .unwrap(),
            1,
        );
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn numbers_out_of_range_name_their_flag() {
    let place = Place::new();
    for (args, flag) in [
        ("--top-k -1", "--top-k"),
        ("--min-p 1.5", "--min-p"),
        ("--repetition-penalty 0", "--repetition-penalty"),
        ("--max-kv-size 4", "--max-kv-size"),
        ("--prefill-step-size 0", "--prefill-step-size"),
        ("--min-tokens-to-keep 0", "--min-tokens-to-keep"),
        ("--stop=", "--stop"),
    ] {
        let out = place.run(&format!("generate --model model --prompt x {args}"));
        assert!(
            !out.status.success() && text(&out.stderr).contains(flag),
            "{args}: {}",
            text(&out.stderr)
        );
    }
}

#[test]
fn past_the_models_length_a_warning_is_printed() {
    let place = Place::new();
    let mut config = common::config();
    config["max_position_embeddings"] = 12.into();
    place.write("model/config.json", &config.to_string());
    let note = |prompt: &str| {
        let out = place.run(&format!(
            "generate --model model --ignore-chat-template --prompt {prompt} -m 8"
        ));
        assert!(out.status.success(), "{}", text(&out.stderr));
        text(&out.stderr)
    };
    assert!(!note("abc").contains("warning"));
    assert!(note("abcdefgh").contains("longer than 12 tokens"));
    assert!(note("abcdefghijklmnop").contains("the prompt has 16 tokens"));
}

/// A chat that reads `lines`; its answers and its other output.
fn chat(place: &Place, more: &str, lines: &str) -> (String, String) {
    let mut child = place
        .command(&format!("chat --model model -m 6 {more}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    (text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_conversation_goes_on_until_it_is_reset() {
    let place = Place::new();
    let (first, _) = chat(&place, "", "hello\n");
    let (both, _) = chat(&place, "", "hello\nagain\n");
    let (reset, notes) = chat(&place, "", "hello\n/reset\nhello\n/exit\nnever\n");
    assert!(both.starts_with(&first) && both.len() > first.len());
    assert_eq!(reset, format!("{first}{first}"));
    assert!(notes.contains("forgotten"));

    let (_, notes) = chat(
        &place,
        "--system-prompt short",
        "a\\\nb\n/save talk.json\n/save\n/wrong\n/help\n",
    );
    assert!(
        notes.contains("saved 3 messages")
            && notes.contains("expected a file")
            && notes.contains("unknown command /wrong")
    );
    let saved: Value =
        serde_json::from_str(&std::fs::read_to_string(place.path("talk.json")).unwrap()).unwrap();
    assert_eq!(saved["messages"][0]["role"], "system");
    assert_eq!(saved["messages"][1]["content"], "a\nb");
    let (loaded, _) = chat(&place, "--load talk.json", "c\n");
    let (whole, _) = chat(&place, "--system-prompt short", "a\\\nb\nc\n");
    assert!(whole.ends_with(&loaded), "{whole} {loaded}");
    let error = place.fails("chat --model model --load data/train.jsonl");
    assert!(
        error.contains("JSON") || error.contains("messages"),
        "{error}"
    );
}
