//! Models of random weights: the same in memory and on disk, and as light to make as promised.

#![allow(missing_docs)]

mod common;

use common::Place;
use serde_json::Value;

#[test]
fn a_folder_is_the_model_of_the_same_name_in_memory() {
    let place = Place::new();
    place.ok("synth --config tiny --seed 3 --out drawn --shard-size 100kB");
    let index = std::fs::read_to_string(place.path("drawn/model.safetensors.index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let map = index["weight_map"].as_object().unwrap();
    assert_eq!(map.len(), 39);
    assert!(map["lm_head.weight"]
        .as_str()
        .unwrap()
        .ends_with("-of-00005.safetensors"));

    let eval = |model: &str| place.ok(&format!("eval --data data --model {model}"));
    let there = eval("drawn");
    assert_eq!(eval("synth:tiny?seed=3"), there);
    assert_ne!(eval("synth:tiny?seed=4"), there);
    assert_ne!(eval("synth:tiny?seed=3&dtype=float32"), there);
    // Packed while it is drawn, while it is read, and before it was written: the same words.
    place.ok("synth --config tiny --seed 3 --bits 4 --group-size 32 --out packed");
    let packed = eval("drawn --bits 4 --group-size 32");
    assert_eq!(eval("synth:tiny?seed=3 --bits 4 --group-size 32"), packed);
    assert_ne!(packed, there);
    let unpacked = eval("packed");
    let number = |text: &str| -> f64 {
        let n = text.split_whitespace().nth(2).unwrap();
        n.trim_end_matches(',').parse().unwrap()
    };
    // On a CPU packed folders are unpacked to float32.
    assert!(
        (number(&unpacked) - number(&packed)).abs() < 1e-3,
        "{unpacked} {packed}"
    );
}

#[test]
fn a_drawn_model_trains_and_its_adapter_knows_it() {
    let place = Place::new();
    place.ok("train --model synth:tiny --data data --iters 4 --batch-size 2 --learning-rate 1e-2");
    let before = place.ok("eval --model synth:tiny --data data");
    let after = place.ok("eval --adapter-path adapters --data data");
    assert_ne!(before, after);
}

#[test]
fn bench_reports_what_it_says() {
    let place = Place::new();
    let bench = |more: &str| -> Value {
        let line = place.ok(&format!(
            "bench --model synth:tiny --batch-size 2 --tokens 32 --steps 4 --warmup 2 --json {more}"
        ));
        serde_json::from_str(&line).unwrap()
    };
    let found = bench("--bandwidth 10 --tflops 0.1 --learning-rate 1e-4");
    let losses: Vec<f64> = found["losses"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert_eq!(losses.len(), 6);
    // The same batch at every step is learnt.
    assert!(losses.windows(2).all(|w| w[1] < w[0]), "{losses:?}");
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
    assert!(number(&found, "min_ms") <= number(&found, "median_ms"));
    let ratio = number(&found, "predicted_peak_bytes") / number(&found, "peak_bytes");
    assert!((0.85..1.15).contains(&ratio), "{ratio}");
    let share = number(&found["floor"], "ms") / number(&found, "median_ms");
    assert!((share - number(&found, "share_of_floor")).abs() < 1e-9);
    assert_eq!(found["layers_again"], 0);
    // Views and constants queue no kernel.
    let kernels = found["kernels"].as_u64().unwrap();
    assert!(
        kernels > 100 && kernels < found["operations"].as_u64().unwrap() * 2,
        "{found}"
    );

    // The same steps, but for when they are started.
    let alone = bench("--pipeline off --learning-rate 1e-4");
    assert_eq!(alone["losses"], found["losses"]);
    let again = bench("--grad-checkpoint always --learning-rate 1e-4");
    assert_eq!(again["layers_again"], 4);
    assert_eq!(again["losses"], found["losses"]);
    assert!(bench("--bits 4")["weights_bytes"].as_u64() < found["weights_bytes"].as_u64());
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let place = Place::new();
    place.write("full/x", "");
    place.write("odd.json", "{\"model_type\": \"llama\"}");
    for (args, part) in [
        ("synth --config llama-9 --in-memory", "llama-3.1-8b"),
        ("synth --config odd.json --in-memory", "odd.json"),
        ("synth --config tiny --out full", "not empty"),
        ("synth --config tiny --in-memory --dtype int8", "float32"),
        ("synth --config tiny --in-memory --bits 9", "--q-bits"),
        ("eval --model synth:tiny?sede=1", "sede"),
        ("eval --model synth:tiny?seed=x", "seed=x"),
        ("bench --model synth:tiny --steps 0", "--steps"),
        (
            "bench --model synth:tiny --tflops 0 --steps 1 --warmup 0",
            "--tflops",
        ),
        ("bench --model nowhere", "nowhere"),
    ] {
        let error = place.fails(args);
        assert!(error.contains(part), "{args}: {error}");
    }
}

/// `mlx_lm/dump_synth.py` drew the same weights, adapter and batch with MLX's Python package and took mlx-lm's steps.
fn dumped() -> Value {
    serde_json::from_str(include_str!("mlx_lm/synth.json")).unwrap()
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().unwrap();
    list.iter().map(|n| n.as_f64().unwrap()).collect()
}

#[test]
fn the_first_losses_are_mlx_lms() {
    let (place, dump) = (Place::new(), dumped());
    for case in dump["cases"].as_array().unwrap() {
        let text = |name: &str| case[name].to_string().replace('"', "");
        let line = place.ok(&format!(
            "bench --model synth:tiny?seed={} --seed {} --batch-size {} --tokens {} --learning-rate {} --bits {} \
             --dtype {} --grad-checkpoint {} --steps 10 --warmup 0 --json",
            dump["weights_seed"], dump["seed"], dump["batch_size"], dump["tokens"], dump["learning_rate"],
            text("bits"), text("dtype"), text("grad_checkpoint"),
        ));
        let found: Value = serde_json::from_str(&line).unwrap();
        let (ours, theirs) = (numbers(&found["losses"]), numbers(&case["losses"]));
        assert_eq!((ours.len(), theirs.len()), (10, 10));
        // Another seed's first loss is 1e-2 away, the ten losses of a case are 5e-2 apart.
        let tolerance = if text("dtype") == "float32" {
            2e-6
        } else {
            5e-4
        };
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() <= tolerance * b, "{case}: {ours:?}");
        }
    }
}

#[test]
fn the_first_losses_of_other_families_are_mlx_lms() {
    let (place, dump) = (Place::new(), dumped());
    let families = dump["families"].as_array().unwrap();
    assert_eq!(families.len(), 8);
    for case in families {
        place.write("config.json", &case["config"].to_string());
        if case["config"]["model_type"] == "qwen3_moe" {
            // The names of a Hugging Face checkpoint.
            place.ok("synth --config config.json --out folder");
            let file = std::fs::read(place.path("folder/model.safetensors")).unwrap();
            let text = String::from_utf8_lossy(&file);
            assert!(text.contains("\"model.layers.2.mlp.experts.3.down_proj.weight\""));
            assert!(!text.contains("switch_mlp"));
        }
        let line = place.ok(&format!(
            "bench --model synth:config.json?seed={} --seed {} --batch-size {} --tokens {} --learning-rate {} \
             --dtype float32 --steps 5 --warmup 0 --json",
            dump["weights_seed"],
            dump["seed"],
            dump["batch_size"],
            dump["tokens"],
            dump["learning_rate"],
        ));
        let found: Value = serde_json::from_str(&line).unwrap();
        let (ours, theirs) = (numbers(&found["losses"]), numbers(&case["losses"]));
        assert_eq!((ours.len(), theirs.len()), (5, 5));
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() <= 5e-6 * b, "{case}: {ours:?}");
        }
    }
}

#[test]
fn large_matrices_are_drawn_in_the_same_blocks() {
    use llama_lora::synth::draw;
    let dump = dumped();
    let rows = i32::try_from(draw::BLOCK / 1024).unwrap() + 2;
    let dtype = mlx_runtime::Dtype::Float32;
    let big = draw::normal("big", &[rows, 1024], dtype, u64::MAX - 2).unwrap();
    let values = big.to_vec::<f32>().unwrap();
    for block in dump["blocks"].as_array().unwrap() {
        let at = numbers(&block["at"]);
        let found = values[at[0] as usize * 1024 + at[1] as usize];
        let wanted = block["value"].as_f64().unwrap();
        assert!((f64::from(found) - wanted).abs() < 1e-8, "{block}: {found}");
    }
}
