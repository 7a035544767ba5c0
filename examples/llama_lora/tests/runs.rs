//! Whole runs of a tiny model: they resume bit for bit, and their files can be used.

#![allow(missing_docs)]

mod common;

use std::collections::HashMap;
use std::fs;

use common::{Place, TRAIN};
use mlx_runtime::{io, ops, transforms, Array};

fn adapter(place: &Place, folder: &str) -> Vec<u8> {
    // Past the header: the configuration in it names the folder.
    let bytes = fs::read(place.path(folder).join("adapters.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].to_vec()
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let place = Place::new();
    place.write(
        "c.yaml",
        "optimizer_config: {sgd: {momentum: 0.9}, adafactor: {beta_1: 0.9}, muon: {ns_steps: 3}}\n\
         lr_schedule: {name: step_decay, warmup: 2, arguments: [1e-2, 0.5, 3]}\n",
    );
    for (more, [first, second, last], reports) in [
        ("", [9, 13, 17], 17),
        ("--compat", [9, 13, 17], 17),
        ("--mask-prompt --optimizer adamw", [9, 13, 17], 17),
        ("-c c.yaml --optimizer sgd", [3, 4, 6], 6),
        ("-c c.yaml --optimizer adafactor", [3, 4, 6], 6),
        ("-c c.yaml --optimizer lion", [3, 4, 6], 6),
        ("-c c.yaml --optimizer muon", [3, 4, 6], 6),
        ("-c c.yaml --grad-accumulation-steps 3", [6, 9, 15], 5),
        ("--compat --grad-accumulation-steps 2", [2, 4, 7], 4),
    ] {
        let run = format!("{TRAIN} {more} --seed 5");
        place.ok(&format!("{run} --iters {last} --adapter-path whole"));
        place.ok(&format!("{run} --iters {first} --adapter-path parts"));
        place.ok(&format!(
            "train --resume --iters {second} --adapter-path parts"
        ));
        place.ok(&format!(
            "train --resume --iters {last} --adapter-path parts"
        ));
        assert!(
            adapter(&place, "whole") == adapter(&place, "parts"),
            "{more}"
        );
        let losses = |folder: &str| {
            let text = fs::read_to_string(place.path(folder).join("metrics.jsonl")).unwrap();
            text.lines()
                .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
                .filter_map(|v| {
                    Some((
                        v["iteration"].as_u64()?,
                        v["train_loss"].as_f64()?.to_bits(),
                    ))
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(losses("whole"), losses("parts"), "{more}");
        assert_eq!(losses("whole").len(), reports, "{more}");
    }
}

/// Every row once, in batches of two and in one of all: gradients that are weighted by their targets make the
/// same step.
#[test]
fn accumulated_batches_are_one_large_batch() {
    let place = Place::new();
    let data = fs::read_to_string(place.path("data/train.jsonl")).unwrap();
    let rows: String = data.lines().take(6).map(|l| format!("{l}\n")).collect();
    place.write("data/train.jsonl", &rows);
    let values = |folder: &str| {
        let path = place.path(folder).join("adapters.safetensors");
        let (arrays, _) = io::load_safetensors(path).unwrap();
        let mut all: Vec<_> = arrays.into_iter().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let floats = |(_, a): (String, Array)| a.to_vec::<f32>().unwrap();
        all.into_iter().map(floats).collect::<Vec<_>>().concat()
    };
    // Plain descent: the change is the gradient.
    let run = format!("{TRAIN} --optimizer sgd --val-batches 0 --learning-rate 1");
    place.ok(&format!(
        "{run} --batch-size 6 --iters 1 --adapter-path large"
    ));
    place.ok(&format!(
        "{run} --batch-size 2 --iters 3 --grad-accumulation-steps 3 --adapter-path small"
    ));
    place.ok(&format!(
        "{run} --batch-size 6 --iters 1 --learning-rate 1e-30 --adapter-path start"
    ));
    let [large, small, start] = ["large", "small", "start"].map(values);
    let most = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0f32, |m, (x, y)| m.max((x - y).abs()));
    assert!(most(&large, &start) > 1e-3);
    assert!(most(&large, &small) < 1e-4 * most(&large, &start));
}

#[test]
fn training_lowers_the_loss_and_leaves_everything_in_the_folder() {
    let place = Place::new();
    let measure = |more: &str| {
        let out = place.ok(&format!(
            "eval --model model --data data --mask-prompt {more}"
        ));
        let loss = out.split_whitespace().nth(2).unwrap().trim_end_matches(',');
        loss.parse::<f64>().unwrap()
    };
    let before = measure("");
    let out = place.train("--iters 60 --mask-prompt --test");
    assert!(
        out.contains("test loss") && out.contains("test exact match"),
        "{out}"
    );
    let after = measure("--adapter-path adapters");
    assert!(after < before - 1.0, "{before} -> {after}");
    for file in [
        "adapters.safetensors",
        "adapter_config.json",
        "state.safetensors",
        "metrics.jsonl",
        "loss.svg",
    ] {
        assert!(place.path("adapters").join(file).exists(), "{file}");
    }
    let config: serde_json::Value = serde_json::from_str(
        &fs::read_to_string(place.path("adapters/adapter_config.json")).unwrap(),
    )
    .unwrap();
    assert_eq!(config["fine_tune_type"], "lora");
    assert_eq!(config["num_layers"], 2);
    assert_eq!(config["lora_parameters"]["rank"], 2);
    assert_eq!(config["model"], "model");
    // Without a named model, the adapter's model is used.
    let text = place.ok("generate --adapter-path adapters --prompt hello --max-tokens 5");
    assert!(!text.is_empty());
}

#[test]
fn an_adapter_without_our_metadata_is_read_by_its_config_file() {
    let place = Place::new();
    place.train("--lora-keys self_attn.q_proj,mlp.down_proj --num-layers 1");
    let weights = place.path("adapters/adapters.safetensors");
    let with = place.ok("eval --model model --data data --adapter-path adapters");
    // As mlx-lm writes it: no metadata.
    let bytes = fs::read(&weights).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    json.as_object_mut().unwrap().remove("__metadata__");
    assert_eq!(json.as_object().unwrap().len(), 4);
    assert_eq!(
        json["model.layers.1.self_attn.q_proj.lora_a"]["shape"],
        serde_json::json!([32, 2])
    );
    assert_eq!(
        json["model.layers.1.mlp.down_proj.lora_b"]["shape"],
        serde_json::json!([2, 32])
    );
    let text = json.to_string();
    let mut plain = (text.len() as u64).to_le_bytes().to_vec();
    plain.extend(text.as_bytes());
    plain.extend(&bytes[8 + header..]);
    fs::write(&weights, plain).unwrap();
    assert_eq!(
        place.ok("eval --model model --data data --adapter-path adapters"),
        with
    );
    // It can be trained on, too.
    place.train("--resume-adapter-file adapters/adapters.safetensors --adapter-path more --num-layers 1 --lora-keys self_attn.q_proj,mlp.down_proj");
}

#[test]
fn generation_repeats_with_its_seed_and_ends() {
    let place = Place::new();
    let draw = |seed: u32| {
        place.ok(&format!("generate --model model --prompt hello --temp 1 --top-p 0.9 --max-tokens 12 --seed {seed}"))
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let greedy = place.ok("generate --model model --prompt hello --max-tokens 12");
    assert_eq!(
        greedy,
        place.ok("generate --model model --prompt hello --max-tokens 12 --seed 4")
    );
    place.ok("generate --model model --prompt hello --ignore-chat-template --max-tokens 1");
}

#[test]
fn the_configuration_file_is_a_run() {
    let place = Place::new();
    place.write(
        "c.yaml",
        "model: model\ndata: data\niters: 3\nbatch_size: 2\nsteps_per_report: 1\nadapter_path: from-file\n\
         lora_parameters: {rank: 3, scale: 10.0, keys: [self_attn.v_proj]}\ngrad_checkpoint: true\n\
         lr_schedule: {name: cosine_decay, warmup: 1, arguments: [1e-3, 10]}\n",
    );
    place.ok("train -c c.yaml --iters 4");
    let metrics = fs::read_to_string(place.path("from-file/metrics.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    assert_eq!(last["iteration"], 4);
    assert!(last["learning_rate"].as_f64().unwrap() < 1e-3);
}

/// Rewrites the model's weights through `change` and returns the loss that `eval` prints.
fn loss_with(place: &Place, change: impl FnOnce(Vec<(String, Array)>)) -> String {
    let (arrays, _) = io::load_safetensors(place.path("model/model.safetensors")).unwrap();
    let mut arrays: Vec<_> = arrays.into_iter().collect();
    arrays.sort_by(|a, b| a.0.cmp(&b.0));
    transforms::eval(&arrays.iter().map(|(_, a)| a).collect::<Vec<_>>()).unwrap();
    fs::remove_file(place.path("model/model.safetensors")).unwrap();
    change(arrays);
    place.ok("eval --model model --data data")
}

#[test]
fn shards_are_one_model() {
    let place = Place::new();
    let whole = place.ok("eval --model model --data data");
    let folder = place.path("model");
    let sharded = loss_with(&place, |arrays| {
        let mut map = serde_json::Map::new();
        let half = arrays.len() / 2;
        for (i, part) in [&arrays[..half], &arrays[half..]].iter().enumerate() {
            let file = format!("model-0000{}-of-00002.safetensors", i + 1);
            io::save_safetensors(folder.join(&file), part, &HashMap::new()).unwrap();
            map.extend(
                part.iter()
                    .map(|(name, _)| (name.clone(), file.clone().into())),
            );
        }
        let index = serde_json::json!({"weight_map": map});
        fs::write(
            folder.join("model.safetensors.index.json"),
            index.to_string(),
        )
        .unwrap();
    });
    assert_eq!(sharded, whole);
    fs::remove_file(folder.join("model-00002-of-00002.safetensors")).unwrap();
    let message = place.fails("eval --model model --data data");
    assert!(message.contains("model-00002-of-00002"), "{message}");
}

#[test]
fn a_quantised_folder_is_the_model_that_its_values_stand_for() {
    let place = Place::new();
    let folder = place.path("model");
    let mut unpacked = Vec::new();
    let packed = loss_with(&place, |arrays| {
        let mut all = Vec::new();
        for (name, array) in arrays {
            // Rows of 48 make no group of 32.
            let path = name.trim_end_matches(".weight").to_owned();
            if array.ndim() != 2 || array.dim(1).unwrap() != 32 {
                unpacked.push((name.clone(), array.clone()));
                all.push((name, array));
                continue;
            }
            let (w, scales, biases) = ops::quantize(&array, 32, 4).unwrap();
            let back = ops::dequantize(&w, &scales, &biases, 32, 4).unwrap();
            unpacked.push((name, back));
            all.push((format!("{path}.weight"), w));
            all.push((format!("{path}.scales"), scales));
            all.push((format!("{path}.biases"), biases));
        }
        io::save_safetensors(folder.join("model.safetensors"), &all, &HashMap::new()).unwrap();
        let mut config = common::config();
        config["quantization"] = serde_json::json!({"group_size": 32, "bits": 4});
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
    });
    place.train("--iters 2");
    let same = loss_with(&place, |_| {
        io::save_safetensors(folder.join("model.safetensors"), &unpacked, &HashMap::new()).unwrap();
    });
    assert_eq!(packed, same);
}

#[test]
fn a_run_says_what_it_takes_and_stops_before_it_where_that_is_too_much() {
    let place = Place::new();
    let out = place.run(&format!("{TRAIN} --iters 1"));
    let text = common::text(&out.stderr);
    for words in [
        "model      model: llama, ",
        " parameters, float32",
        "trained    lora of rank 2",
        "planned, for batches of up to",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // The parts of the memory are said on request.
    assert!(!text.contains("layers keep what they need"), "{text}");
    let out = place.run(&format!("{TRAIN} --iters 1 -v"));
    let text = common::text(&out.stderr);
    assert!(text.contains("layers keep what they need"), "{text}");
    // The next commands can be typed as they are.
    let said = common::text(&out.stdout);
    for command in said
        .lines()
        .filter_map(|l| l.strip_prefix("  llama_lora fuse"))
    {
        place.ok(&format!("fuse{command} --overwrite"));
    }
    assert!(
        said.contains("llama_lora chat --adapter-path adapters"),
        "{said}"
    );

    let message = place.fails(&format!(
        "{TRAIN} --iters 1 --memory-limit 250KB --adapter-path b"
    ));
    for words in ["a training step needs", "limit is 250 kB", "hint: use "] {
        assert!(message.contains(words), "{message}");
    }
    assert!(!place.path("b").join("adapters.safetensors").exists());
}

#[test]
fn metrics_are_served_while_a_run_lasts() {
    use std::io::{BufRead, BufReader, Read, Write};

    let place = Place::new();
    let mut run = place
        .command(&format!(
            "{TRAIN} --iters 100000 --steps-per-report 1 --metrics-port 0 --device cpu --memory-limit 60%"
        ))
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // Kept open: a run that cannot write its lines ends.
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    let mut address = None;
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some((_, rest)) = line.split_once("metrics: http://") {
            address = rest.strip_suffix("/metrics").map(str::to_owned);
        }
        let trained = line.contains("train loss");
        seen.push(line);
        if trained {
            break;
        }
    }
    let address = address.unwrap_or_else(|| panic!("{seen:#?}"));
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    let value = |name: &str| {
        let line = answer.lines().find(|l| l.starts_with(&format!("{name} ")));
        line.and_then(|l| l.split(' ').nth(1))
            .map(|v| v.parse::<f64>().unwrap())
    };
    assert!(value("mlx_steps_total").unwrap() >= 1.0, "{answer}");
    assert!(value("mlx_tokens_total").unwrap() > value("mlx_steps_total").unwrap());
    assert!(value("train_loss").unwrap() > 0.0, "{answer}");
    assert!(value("mlx_memory_active_bytes").unwrap() > 0.0, "{answer}");
    // The setup is reported first.
    assert!(seen[0].starts_with("device cpu:0"), "{seen:#?}");
    assert!(seen[1].contains("60 % of"), "{seen:#?}");
}

/// The time of the first token counts for the prompt, so a rate needs tokens after it.
#[test]
fn one_token_has_no_rate() {
    let place = Place::new();
    let notes = |tokens: usize| {
        let out = place.run(&format!(
            "generate --model model --ignore-chat-template --prompt abc --max-tokens {tokens}"
        ));
        assert!(out.status.success());
        common::text(&out.stderr)
    };
    assert!(notes(1).trim_end().ends_with("; 1 tokens"), "{}", notes(1));
    assert!(notes(4).contains("; 4 tokens at "), "{}", notes(4));
}
