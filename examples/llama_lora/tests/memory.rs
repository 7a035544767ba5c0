//! Memory use of loading and training, and the messages if the limit is exceeded.

#![allow(missing_docs)]

mod common;

use common::{Place, TRAIN};
use serde_json::{json, Value};

/// A Llama of 98 million values: 196 MB in 16 bits.
fn config() -> Value {
    json!({
        "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 8, "intermediate_size": 2816,
        "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": 4096, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": false, "max_position_embeddings": 512
    })
}

/// The report of a step on a few tokens.
fn bench(place: &Place, model: &str, more: &str) -> Value {
    let line = place.ok(&format!(
        "bench --model {model} --dtype bfloat16 --batch-size 1 --tokens 4 --steps 1 --warmup 0 --json {more}"
    ));
    serde_json::from_str(&line).unwrap()
}

#[test]
fn a_model_is_drawn_written_read_and_packed_one_tensor_at_a_time() {
    const MB: f64 = 1e6;
    let place = Place::new();
    place.write("big.json", &config().to_string());
    let number = |report: &Value, name: &str| report[name].as_f64().unwrap();
    // The largest matrices have 4 million values, joined 6 million.
    let slack = 60.0 * MB;

    let drawn = bench(&place, "synth:big.json", "");
    let whole = number(&drawn, "weights_bytes");
    assert!((whole - 196.0 * MB).abs() < 2.0 * MB, "{whole}");
    assert!(number(&drawn, "load_peak_bytes") < whole + slack, "{drawn}");

    let text = place.ok("synth --config big.json --out big --shard-size 40MB");
    assert!(
        text.contains("in 5 files") || text.contains("in 6 files"),
        "{text}"
    );
    let peak: f64 = text
        .split("at most ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(peak * 1e9 < 40.0 * MB + slack, "{text}");

    let read = bench(&place, "big", "");
    assert_eq!(read["losses"], drawn["losses"]);
    assert_eq!(number(&read, "weights_bytes"), whole);
    assert!(number(&read, "load_peak_bytes") < whole + slack, "{read}");

    // 55 MB are left of it; the 16-bit model is never there whole.
    let packed = bench(&place, "big", "--bits 4 --group-size 64");
    let small = number(&packed, "weights_bytes");
    assert!(small < 0.3 * whole, "{packed}");
    let peak = number(&packed, "load_peak_bytes");
    assert!(peak < small + slack && peak < 0.6 * whole, "{packed}");

    // mlx-community's layout, read by the same code, is the same model.
    place.ok("synth --config big.json --out packed --bits 4 --group-size 64 --shard-size 40MB");
    let kept = bench(&place, "packed", "--bits 4 --group-size 64");
    assert_eq!(number(&kept, "weights_bytes"), small);
    assert_eq!(kept["losses"], packed["losses"]);
    assert!(number(&kept, "load_peak_bytes") < small + slack, "{kept}");
}

fn size(text: &str) -> f64 {
    let mut words = text.split_whitespace();
    let number: f64 = words.next().unwrap().trim_end_matches(',').parse().unwrap();
    let unit = words.next().unwrap().trim_end_matches([',', ':', ';']);
    number
        * match unit {
            "kB" => 1e3,
            "MB" => 1e6,
            _ => 1e9,
        }
}

/// The line of the advice that begins with `flag`, and the size in it.
fn line<'a>(message: &'a str, flag: &str) -> (&'a str, f64) {
    let line = message
        .lines()
        .find(|l| l.trim_start().starts_with(flag))
        .unwrap_or_else(|| panic!("{message}"));
    (line, size(line.split("needs ").nth(1).unwrap()))
}

#[test]
fn a_step_that_does_not_fit_is_refused_with_what_would() {
    let place = Place::new();
    let bench = |more: &str| {
        format!("bench --model synth:tiny --tokens 256 --steps 2 --warmup 0 --batch-size 4 --json {more}")
    };
    let message = place.fails(&bench("--grad-checkpoint never --memory-limit 12MB"));
    let needs = size(message.split("a training step needs ").nth(1).unwrap());
    assert!((13e6..17e6).contains(&needs), "{message}");
    // The advice holds: with each flag, the step stays below the limit.
    for (flag, policy) in [
        ("--batch-size 2", "never"),
        ("--tokens 128", "never"),
        ("--grad-checkpoint auto", "auto"),
    ] {
        let (text, bytes) = line(&message, flag);
        assert!(text.ends_with("which fits") && bytes < 12e6, "{message}");
        let more = format!("--grad-checkpoint {policy} --memory-limit 12MB {flag}");
        let report: Value = serde_json::from_str(&place.ok(&bench(&more))).unwrap();
        let peak = report["peak_bytes"].as_f64().unwrap();
        assert!(
            peak < 12e6 && peak > 0.8 * bytes,
            "{flag}: {bytes} {report}"
        );
    }
    // The advice's numbers for the step itself hold too.
    let more = format!("--grad-checkpoint never --memory-limit {:.0}", needs * 1.05);
    place.ok(&bench(&more));
}

#[test]
fn weights_that_do_not_fit_are_refused_before_they_are_read() {
    let place = Place::new();
    // 8 billion values: nothing of them is drawn.
    let message =
        place.fails("bench --model synth:llama-3.1-8b --dtype bfloat16 --memory-limit 12GB");
    for part in [
        "16.06 GB in bfloat16",
        "limit is 12.00 GB",
        "--bits 4 takes about 4.52 GB",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let message = place
        .fails("bench --model synth:llama-3.1-70b --dtype bfloat16 --bits 4 --memory-limit 24GB");
    assert!(message.contains("39.69 GB"), "{message}");
}

#[test]
fn a_run_that_does_not_fit_leaves_the_last_checkpoint() {
    let place = Place::new();
    place.train("");
    let path = place.path("adapters/adapters.safetensors");
    let before = std::fs::read(&path).unwrap();
    let message = place.fails(&format!(
        "{TRAIN} --memory-limit 400kB --grad-checkpoint never --seed 4"
    ));
    line(&message, "--batch-size 1 needs");
    assert!(message.contains("--max-seq-length 16 needs"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// The commands of the other tests are processes of their own: this limit is not theirs.
#[test]
fn a_hint_of_the_library_names_a_flag() {
    use mlx_runtime::{random, Dtype, Runtime};
    let _runtime = Runtime::builder().memory_limit("64MB").build().unwrap();
    let all = random::normal(&[1 << 13, 1 << 13], Dtype::Float32, 0.0, 1.0, None).unwrap();
    let error = all.eval().unwrap_err();
    assert!(error.to_string().contains("Runtime::builder()"), "{error}");
    let text = llama_lora::files::message(&error.into());
    assert!(
        text.contains("`--memory-limit`") && !text.contains("builder"),
        "{text}"
    );
}
