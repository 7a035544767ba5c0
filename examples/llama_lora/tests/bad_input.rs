//! User mistakes: each gives one message with the next steps and exit code 1 (2 for a mistyped command line), without a
//! panic. An adapter that was there before is still there, byte for byte.

#![allow(missing_docs)]

mod common;

use std::fs;

use common::{config, message, shapes, write_model, write_safetensors, Place, TRAIN};
use serde_json::json;

/// Checks that the message of a failing run holds every one of `words`.
#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let place = Place::new();
    for (args, word) in [
        ("trian", "train"),
        ("train --itres 3", "--iters"),
        ("train --iters three", "three"),
        ("train --iters -3", "--iters"),
        ("train --seed 18446744073709551616", "--seed"),
        ("train --grad-checkpoint sometimes", "auto"),
        ("generate", "--prompt"),
    ] {
        let text = message(&place.run(args), 2);
        says(&text, &[word]);
    }
    for (args, word) in [
        ("train --iters 0", "--iters"),
        ("train --batch-size 0", "--batch-size"),
        ("train --lora-rank 0", "--lora-rank"),
        ("train --iters 18446744073709551615", "--iters"),
        ("train --batch-size 1000000000", "from 1 to 65536"),
        ("train --batch-size 18446744073709551615", "from 1 to 65536"),
        ("train --steps-per-report 0", "--steps-per-report"),
        ("train --num-layers 0", "-1 for all"),
        ("train --lora-scale 0", "--lora-scale"),
        ("train --learning-rate nan", "--learning-rate"),
        ("train --learning-rate inf", "--learning-rate"),
        ("train --learning-rate 0", "--learning-rate"),
        ("train --learning-rate=-1e-4", "--learning-rate"),
        ("train --test-batches 0", "--test-batches"),
        ("train --memory-limit=-0", "24GB"),
        ("train --memory-limit 1e999GB", "24GB"),
        ("train --memory-limit nan%", "24GB"),
        (
            "train --memory-limit 0",
            "invalid memory limit of 0 B: expected at least",
        ),
        ("eval --batch-size 1000000000", "--batch-size"),
        (
            "eval --max-seq-length 18446744073709551615",
            "--max-seq-length",
        ),
        ("bench --model synth:tiny --steps 1000000000", "--steps"),
        (
            "bench --model synth:tiny --warmup 18446744073709551615",
            "--warmup",
        ),
        (
            "bench --model synth:tiny --learning-rate -1",
            "--learning-rate",
        ),
        (
            "bench --model synth:tiny --batch-size 18446744073709551615",
            "--batch-size",
        ),
        (
            "bench --model synth:tiny --batch-size 65536 --tokens 1048576",
            "memory limit",
        ),
        ("bench --model synth:tiny --tflops -1", "--tflops"),
        ("explain synth:tiny --batch-size 0", "--batch-size"),
        ("explain synth:tiny --lora-rank -1", "--lora-rank"),
        ("generate --prompt x --max-tokens 0", "--max-tokens"),
        ("generate --prompt x --temp nan", "--temp"),
        ("train --memory-limit much", "24GB"),
        ("train --memory-limit 24", "without a unit is bytes"),
        ("train --memory-limit 9000TB", "expected at most"),
        ("train --device tpu", "gpu:1"),
        ("train --device gpu:99", "gpu:99 not found"),
        ("eval --device gpu:99", "gpu:99 not found"),
        ("generate --prompt x --top-p 0", "--top-p"),
        ("generate --prompt x --temp -1", "--temp"),
        ("train -c nothing.yaml", "nothing.yaml"),
    ] {
        says(&place.fails(args), &[word]);
    }
    place.write("c.yaml", "itres: 3\n");
    says(
        &place.fails("train -c c.yaml"),
        &["c.yaml", "itres", "iters"],
    );
}

#[test]
fn a_model_that_is_missing_or_half_written() {
    let place = Place::new();
    says(
        &place.fails(&TRAIN.replace("--model model", "--model nothing")),
        &["nothing", "--model"],
    );
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let path = place.path("model").join(file);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        says(
            &place.fails(TRAIN),
            &["model", file.split('.').next_back().unwrap_or(file)],
        );
        for part in [0, 5, whole.len() / 2, whole.len() - 3] {
            fs::write(&path, &whole[..part]).unwrap();
            says(&place.fails(TRAIN), &[file]);
        }
        fs::write(&path, &whole).unwrap();
    }
    place.train("");
}

#[test]
fn a_config_that_lacks_or_contradicts_a_dim() {
    let place = Place::new();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut config = config();
        change(&mut config);
        place.write("model/config.json", &config.to_string());
        place.fails(TRAIN)
    };
    says(
        &with(&|c| drop(c.as_object_mut().unwrap().remove("hidden_size"))),
        &["config.json", "hidden_size"],
    );
    says(
        &with(&|c| c["hidden_size"] = json!(30)),
        &["30", "num_attention_heads"],
    );
    says(
        &with(&|c| c["hidden_size"] = json!(64)),
        &["q_proj", "64", "32"],
    );
    says(
        &with(&|c| c["num_hidden_layers"] = json!(3)),
        &["model.layers.2"],
    );
    says(&with(&|c| c["vocab_size"] = json!(20)), &["257", "20"]);
    says(
        &with(&|c| c["num_attention_heads"] = json!(0)),
        &["num_attention_heads"],
    );
    says(
        &with(&|c| c["num_key_value_heads"] = json!(3)),
        &["num_key_value_heads"],
    );
    says(
        &with(&|c| c["model_type"] = json!("mamba")),
        &["mamba", "llama"],
    );
    says(
        &with(&|c| c["rope_scaling"] = json!({"rope_type": "ntk"})),
        &["ntk"],
    );
    says(
        &with(&|c| c["quantization_config"] = json!({"quant_method": "gptq"})),
        &["gptq"],
    );
}

#[test]
fn tensors_that_are_missing_or_of_another_shape_are_listed_all_at_once() {
    let place = Place::new();
    let mut tensors = shapes();
    tensors.retain(|(name, _)| {
        name != "model.layers.0.mlp.up_proj.weight" && name != "model.norm.weight"
    });
    for (name, shape) in &mut tensors {
        if name == "model.layers.1.self_attn.k_proj.weight" {
            *shape = vec![8, 32];
        }
    }
    write_safetensors(&place.path("model/model.safetensors"), &tensors, 1);
    let text = place.fails(TRAIN);
    says(
        &text,
        &[
            "model.layers.0.mlp.up_proj.weight",
            "model.norm.weight",
            "model.layers.1.self_attn.k_proj.weight",
        ],
    );
    says(&text, &["[8, 32]", "[16, 32]"]);
}

#[test]
fn a_gguf_file_that_is_truncated_or_no_gguf() {
    let place = Place::new();
    for (bytes, name) in [
        (&b""[..], "a.gguf"),
        (b"GGUF", "b.gguf"),
        (b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "c.gguf"),
        (b"nonsense that is longer than a header", "d.gguf"),
    ] {
        fs::write(place.path(name), bytes).unwrap();
        says(
            &place.fails(&TRAIN.replace("--model model", &format!("--model {name}"))),
            &[name],
        );
    }
}

#[test]
fn data_that_is_missing_broken_or_empty() {
    let place = Place::new();
    says(
        &place.fails(&TRAIN.replace("--data data", "--data nothing")),
        &["nothing", "--data"],
    );
    let good = r#"{"prompt": "a", "completion": "b"}"#;
    for (text, words) in [
        (
            format!("{good}\n{good}\n{{\"prompt\": \"a\", \n"),
            vec!["train.jsonl, line 3"],
        ),
        (format!("{good}\n[1, 2]\n"), vec!["train.jsonl, line 2"]),
        (
            format!("{good}\n\n{{\"prompt\": \"a\"}}\n"),
            vec!["train.jsonl, line 3", "completion"],
        ),
        (
            format!("{good}\n{{\"prompt\": \"a\", \"completion\": 7}}\n"),
            vec!["line 2", "completion"],
        ),
        (
            "{\"question\": \"a\"}\n".into(),
            vec!["line 1", "question", "prompt"],
        ),
        ("{\"messages\": []}\n".into(), vec!["line 1", "empty"]),
        (
            "{\"messages\": [{\"content\": \"a\"}]}\n".into(),
            vec!["line 1", "role"],
        ),
        (String::new(), vec!["train.jsonl is empty"]),
        ("\n\n".into(), vec!["train.jsonl is empty"]),
    ] {
        place.write("data/train.jsonl", &text);
        says(&place.fails(TRAIN), &words);
    }
    fs::write(
        place.path("data/train.jsonl"),
        b"{\"text\": \"\xff\xfe\"}\n",
    )
    .unwrap();
    says(&place.fails(TRAIN), &["train.jsonl"]);
    fs::remove_file(place.path("data/train.jsonl")).unwrap();
    says(&place.fails(TRAIN), &["train.jsonl"]);
}

#[test]
fn a_row_longer_than_the_limit() {
    let place = Place::new();
    let long = json!({"prompt": "a", "completion": "b".repeat(300)}).to_string() + "\n";
    let file = fs::read_to_string(place.path("data/train.jsonl")).unwrap() + &long;
    place.write("data/train.jsonl", &file);
    let text = place.fails(&format!("{TRAIN} --max-seq-length 100"));
    says(
        &text,
        &[
            "train.jsonl, line 13",
            "100",
            "--max-seq-length",
            "--truncate",
        ],
    );
    place.train("--max-seq-length 100 --truncate");
    place.train("--max-seq-length 400");
    // The model itself was made for 512.
    place.write(
        "data/train.jsonl",
        &(file + &long.replace(&"b".repeat(300), &"b".repeat(600))),
    );
    says(&place.fails(TRAIN), &["512"]);
}

#[test]
fn text_has_no_prompt_to_mask() {
    let place = Place::new();
    for name in ["train", "valid"] {
        place.write(
            &format!("data/{name}.jsonl"),
            "{\"text\": \"some words\"}\n",
        );
    }
    place.train("");
    says(
        &place.fails(&format!("{TRAIN} --mask-prompt")),
        &["--mask-prompt"],
    );
}

#[test]
fn an_adapter_of_another_model() {
    let place = Place::new();
    place.train("");
    let mut other = config();
    other["hidden_size"] = json!(64);
    other["head_dim"] = json!(8);
    write_model(&place.path("other"), 2);
    place.write("other/config.json", &other.to_string());
    let wide: Vec<_> = shapes()
        .into_iter()
        .map(|(name, shape)| {
            (
                name,
                shape
                    .into_iter()
                    .map(|d| if d == 32 { 64 } else { d })
                    .collect::<Vec<_>>(),
            )
        })
        .map(|(name, mut shape)| {
            if name.contains("q_proj") {
                shape = vec![32, 64];
            } else if name.contains("o_proj") {
                shape = vec![64, 32];
            }
            (name, shape)
        })
        .collect();
    write_safetensors(&place.path("other/model.safetensors"), &wide, 2);
    let text = place.fails("eval --model other --data data --adapter-path adapters");
    says(
        &text,
        &[
            "adapters",
            "does not fit",
            "lora_a",
            "[32, 2]",
            "[64, 2]",
            "model",
        ],
    );
    says(
        &place.fails("eval --model model --data data --adapter-path nothing"),
        &["nothing"],
    );
}

#[test]
fn a_broken_adapter_is_reported_and_training_replaces_it_only_when_it_saves() {
    let place = Place::new();
    place.train("");
    let path = place.path("adapters/adapters.safetensors");
    let whole = fs::read(&path).unwrap();
    // Every failing run leaves the adapter of the last good one.
    place.fails(&TRAIN.replace("--data data", "--data nothing"));
    place.fails(&format!("{TRAIN} --lora-keys self_attn.x_proj"));
    place.fails(&format!(
        "{TRAIN} --learning-rate 1e30 --iters 50 --save-every 100 --seed 3"
    ));
    assert_eq!(fs::read(&path).unwrap(), whole);
    for part in [0, 7, 100, whole.len() - 1] {
        fs::write(&path, &whole[..part]).unwrap();
        says(
            &place.fails("eval --model model --data data --adapter-path adapters"),
            &["adapters.safetensors"],
        );
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let place = Place::new();
    let text = place.fails(&format!("{TRAIN} --learning-rate 1e30 --iters 50"));
    // Ten steps in a row may be skipped; the first one was good.
    says(&text, &["step 12 failed", "adapters is intact"]);
    says(
        &text,
        &["NaN or infinite in 11 steps", "a smaller `--learning-rate`"],
    );
    assert!(!place.path("adapters/adapters.safetensors").exists());
}

#[test]
fn steps_that_are_left_out_are_counted_and_the_last_checkpoint_stays() {
    let place = Place::new();
    place.write("c.yaml", "max_skipped_steps: 3\n");
    place.train("--iters 3 --save-every 1 --seed 3");
    let file = |name: &str| fs::read(place.path(name)).unwrap();
    let adapter = "adapters/adapters.safetensors";
    let good = file(adapter);
    // An adapter that gives nothing yet has a finite loss, but gradients that float32 does not hold.
    let run = format!("{TRAIN} -c c.yaml --lora-scale 1e38 --val-batches 0");
    let text = place.fails(&format!("{run} --iters 50"));
    let limit = [
        "failed",
        "adapters is intact",
        "NaN or infinite in 4 steps in a row",
        "3 are allowed",
    ];
    says(&text, &limit);
    assert!(file(adapter) == good);
    says(
        &place.fails(&format!("{run} --max-skipped-steps 0")),
        &["in 1 step in a row"],
    );
    assert!(file(adapter) == good);
    // Within the limit it goes on and reports the number; but a run that took no step at all did not end well.
    let out = place.run(&format!(
        "{run} --max-skipped-steps 100 --iters 20 --save-every 5"
    ));
    says(
        &common::text(&out.stderr),
        &[
            "step 20 is skipped",
            "its gradient",
            "steps skipped in all: 20",
        ],
    );
    says(
        &message(&out, 1),
        &["nothing was trained or saved", "in all 20 steps"],
    );
    assert!(file(adapter) == good);
    // A run did not end well if its last validation loss is NaN.
    let text = place.fails(&format!("{TRAIN} --learning-rate 1e30 --iters 8"));
    says(&text, &["the valid loss was NaN at the end"]);
    assert!(file(adapter) == good);
    // A run that took some steps reports the number of them.
    let out = place.ok(&format!(
        "{TRAIN} --learning-rate 1e30 --iters 8 --val-batches 0"
    ));
    says(&out, &["trained 8 steps, of which 7 were skipped"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_found_before_anything_else() {
    let place = Place::new();
    place.write("file", "");
    // The model does not exist either, but the folder is reported.
    let text = place.fails("train --model nothing --data data --adapter-path file/adapters");
    says(&text, &["file/adapters", "--adapter-path"]);
}

#[test]
fn nothing_to_resume_or_another_run() {
    let place = Place::new();
    says(
        &place.fails("train --resume"),
        &["adapters", "state.safetensors"],
    );
    place.train("");
    says(
        &place.fails("train --resume --iters 8 --batch-size 3"),
        &["batch_size", "--resume"],
    );
    let line = json!({"prompt": "new", "completion": "row"}).to_string() + "\n";
    let file = fs::read_to_string(place.path("data/train.jsonl")).unwrap() + &line;
    place.write("data/train.jsonl", &file);
    says(
        &place.fails("train --resume --iters 8"),
        &["train.jsonl", "--resume"],
    );
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn a_full_disk_while_saving_leaves_the_old_adapter() {
        let place = Place::new();
        place.train("");
        let path = place.path("adapters/adapters.safetensors");
        let before = fs::read(&path).unwrap();
        // A limit on the size of files stands for the full disk: writing past it fails half way.
        let limit = before.len() / 2 / 512;
        let out = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "trap '' XFSZ; ulimit -f {limit}; exec {} {TRAIN} --seed 9",
                env!("CARGO_BIN_EXE_llama_lora")
            ))
            .current_dir(place.path(""))
            .output()
            .unwrap();
        says(&message(&out, 1), &["adapters"]);
        assert_eq!(fs::read(&path).unwrap(), before);
        let litter: Vec<_> = fs::read_dir(place.path("adapters"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.starts_with('.') || n.contains("tmp"))
            .collect();
        assert!(litter.is_empty(), "{litter:?}");
    }

    /// Starts a run and waits until it has written a few reports.
    fn training(place: &Place, args: &str) -> Child {
        let metrics = place.path("adapters/metrics.jsonl");
        let _ = fs::remove_file(&metrics);
        let mut child = place
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while fs::read_to_string(&metrics).map_or(0, |t| t.lines().count()) < 3 {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "it does not train"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    #[test]
    fn kill_9_while_saving_leaves_an_adapter_and_a_state_that_work() {
        let place = Place::new();
        for i in 0..6 {
            // It saves after every step, so that it saves most of the time.
            let mut child = training(
                &place,
                &format!("{TRAIN} --save-every 1 --iters 100000 --seed {i}"),
            );
            std::thread::sleep(Duration::from_millis(7 * i));
            assert!(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            place.ok("eval --model model --data data --adapter-path adapters");
        }
        let state = fs::read(place.path("adapters/state.safetensors")).unwrap();
        let state = String::from_utf8_lossy(&state);
        let at = state.find("\\\"iteration\\\":").unwrap() + 14;
        let done: u64 = state[at..].split(',').next().unwrap().parse().unwrap();
        let out = place.ok(&format!("train --resume --iters {}", done + 2));
        assert!(out.contains("the adapter is in adapters"), "{out}");
    }

    #[test]
    fn ctrl_c_saves_and_says_how_to_go_on() {
        let place = Place::new();
        let child = training(&place, &format!("{TRAIN} --iters 100000"));
        let pid = child.id().to_string();
        assert!(Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success());
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        let said = common::text(&out.stdout);
        assert!(
            said.contains("train --resume --adapter-path adapters"),
            "{said}"
        );
        place.ok("eval --model model --data data --adapter-path adapters");
    }
}
