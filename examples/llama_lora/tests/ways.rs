//! Covers ways to fine-tune beside the usual one: each continues exactly where it stopped, and its numbers are mlx's.
//!
//! `ways/dump.py` dumped the losses of mlx and mlx-lm.

#![allow(missing_docs)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{text, Place};
use mlx_models::llama::Llama;
use mlx_models::{CausalLm, Config};
use mlx_runtime::model::{load, unfreeze_layers, LoadOptions, TrainOptions, TrainStep};
use mlx_runtime::optim::Adam;
use mlx_runtime::{io, ops, Array, Dtype};
use serde_json::Value;

/// The tensors of a file: past the header, which names folders.
fn tensors(place: &Place, file: &str) -> Vec<u8> {
    let all = std::fs::read(place.path(file)).unwrap();
    let header = u64::from_le_bytes(all[..8].try_into().unwrap()) as usize;
    all[8 + header..].to_vec()
}

fn config(place: &Place, folder: &str) -> Value {
    let path = place.path(folder).join("adapter_config.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_way_continues_exactly_where_it_stopped() {
    let place = Place::new();
    place.write(
        "wsd.yaml",
        "lr_schedule: {name: wsd, arguments: [0.01, 3, 3, 0.001], warmup: 2}\n",
    );
    place.write(
        "decay.yaml",
        "optimizer: adamw\noptimizer_config: {adamw: {weight_decay: 0.1}}\n",
    );
    for way in [
        "",
        "--fine-tune-type full",
        "--fine-tune-type full --num-layers 1 --optimizer muon",
        "--max-grad-norm 0.05",
        "--max-grad-value 0.001",
        "--max-grad-norm 0.05 --max-grad-value 0.001 --grad-accumulation-steps 2",
        "--warmup-steps 5",
        "--config wsd.yaml",
        "--config decay.yaml",
        "--keep-best --save-total-limit 2 --save-every 2",
        "--early-stopping 50",
        "--fine-tune-type dora --lora-dropout 0.3",
        "--fine-tune-type dora --num-layers 1 --lora-keys self_attn.q_proj,lm_head,embed_tokens",
        "--lora-dropout 0.5 --grad-accumulation-steps 2 --lora-alpha 8 --rslora",
        "--loraplus-lr-ratio 8 --lora-rank-pattern q_proj=4,v_proj=1 --lora-scale-pattern v_proj=3",
        "--fine-tune-type full --optimizer adamw --decay-matrices-only",
    ] {
        place.train(&format!("{way} --iters 8 --adapter-path whole"));
        place.train(&format!("{way} --iters 4 --adapter-path parts"));
        place.ok(&format!(
            "train --resume --iters 8 {way} --adapter-path parts"
        ));
        for file in ["adapters.safetensors", "state.safetensors"] {
            let (whole, parts) = (format!("whole/{file}"), format!("parts/{file}"));
            assert!(
                tensors(&place, &whole) == tensors(&place, &parts),
                "{way}: {file}"
            );
        }
        for folder in ["whole", "parts"] {
            std::fs::remove_dir_all(place.path(folder)).unwrap();
        }
    }
}

#[test]
fn full_fine_tuning_and_clipping_are_mlxs() {
    let dump: Value = serde_json::from_str(include_str!("ways/dump.json")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuse/lora/model");
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = Arc::new(Config::parse(&config).unwrap());
    let rows: Vec<i32> = dump["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|r| r.as_array().unwrap())
        .map(|n| n.as_i64().unwrap() as i32)
        .collect();
    let all = Array::from_slice(&rows, &[2, 13]).unwrap();
    let part = |from: i32, to: i32| ops::slice(&all, &[0, from], &[2, to], &[1, 1]).unwrap();
    let batch = [
        part(0, 12),
        part(1, 13),
        ops::ones(&[2, 12], Dtype::Float32).unwrap(),
    ];
    for (name, norm, value) in [
        ("none", None, None),
        ("norm", Some(0.05), None),
        ("value", None, Some(1e-3)),
    ] {
        let weights = io::load_safetensors_folder(&folder).unwrap();
        let mut model: Llama =
            load(&config, weights.into(), &LoadOptions::new(Dtype::Float32)).unwrap();
        assert_eq!(unfreeze_layers(&mut model, -1).unwrap(), 9);
        let adam = Adam {
            learning_rate: 1e-2,
            betas: (0.9, 0.999),
            eps: 1e-3,
            bias_correction: false,
        };
        let options = TrainOptions::new()
            .max_grad_norm(norm)
            .max_grad_value(value);
        let loss = |m: &Llama, b: &[Array]| Ok(vec![CausalLm::loss(m, &b[0], &b[1], &b[2])?]);
        let mut step = TrainStep::new(model, loss, adam, options).unwrap();
        for (i, wanted) in dump["losses"][name].as_array().unwrap().iter().enumerate() {
            let found = step.run(&batch, 1e-2).unwrap()[0].item::<f32>().unwrap();
            let wanted = wanted.as_f64().unwrap() as f32;
            assert!(
                (found - wanted).abs() < 1e-4 * wanted,
                "{name}, step {i}: {found}, not {wanted}"
            );
        }
    }
}

#[test]
fn full_fine_tuning_is_saved_loaded_and_fused() {
    let place = Place::new();
    place.train("--fine-tune-type full --num-layers 1");
    let saved = config(&place, "adapters");
    assert_eq!(
        (&saved["fine_tune_type"], &saved["lora_parameters"]),
        (&"full".into(), &Value::Null)
    );
    let (arrays, _) = io::load_safetensors(place.path("adapters/adapters.safetensors")).unwrap();
    assert_eq!(arrays.len(), 9);
    assert!(arrays.keys().all(|n| n.starts_with("model.layers.1.")));
    let answer = |more: &str| place.ok(&format!("generate --prompt train? -m 12 {more}"));
    let trained = answer("--adapter-path adapters");
    assert_ne!(trained, answer("--model model"));
    place.ok("fuse");
    assert_eq!(answer("--model fused_model"), trained);
    place.train("--resume-adapter-file adapters --adapter-path more");
    assert_eq!(config(&place, "more")["fine_tune_type"], "full");
    let error = place.fails(&format!("{} --fine-tune-type full -q", common::TRAIN));
    assert!(
        error.contains("packed matrices cannot be trained"),
        "{error}"
    );
}

#[test]
fn adapters_of_every_kind_are_saved_loaded_and_fused() {
    let place = Place::new();
    let answer = |more: &str| place.ok(&format!("generate --prompt train? -m 12 {more}"));
    let bare = answer("--model model");
    for way in [
        "--fine-tune-type dora",
        "--fine-tune-type dora --lora-keys q_proj,lm_head,embed_tokens",
        "--lora-keys q_proj,lm_head,embed_tokens --lora-dropout 0.2",
        "--lora-rank-pattern q_proj=4,v_proj=1 --lora-scale-pattern v_proj=3",
        "--lora-alpha 8 --rslora --loraplus-lr-ratio 4",
    ] {
        place.train(&format!("{way} --iters 12 --learning-rate 3e-2"));
        let trained = answer("--adapter-path adapters");
        assert_ne!(trained, bare, "{way}");
        place.ok("fuse --overwrite");
        assert_eq!(answer("--model fused_model"), trained, "{way}");
        // In PEFT's form and back.
        if !way.contains("dora") || !way.contains("embed_tokens") {
            place.ok("adapter convert adapters --to peft --save-path peft --overwrite");
            assert_eq!(
                answer("--model model --adapter-path peft"),
                trained,
                "{way}"
            );
        }
        // Another run begins with it.
        place.train("--resume-adapter-file adapters --adapter-path more --iters 1");
        let (kind, wanted) = (config(&place, "more"), config(&place, "adapters"));
        assert_eq!(kind["fine_tune_type"], wanted["fine_tune_type"], "{way}");
        assert_eq!(kind["lora_parameters"], wanted["lora_parameters"], "{way}");
    }
}

#[test]
fn an_adapter_of_pefts_for_a_tied_table_is_refused() {
    let place = Place::new();
    place.train("--lora-keys embed_tokens");
    let out = place.run("adapter convert adapters --to peft --save-path peft");
    assert!(
        text(&out.stderr).contains("leaves the head alone"),
        "{}",
        text(&out.stderr)
    );
    let file = place.path("model/config.json");
    let tied = std::fs::read_to_string(&file).unwrap().replace(
        "\"tie_word_embeddings\":false",
        "\"tie_word_embeddings\":true",
    );
    std::fs::write(&file, tied).unwrap();
    let weights = place.path("model/model.safetensors");
    let (mut arrays, _) = io::load_safetensors(&weights).unwrap();
    arrays.remove("lm_head.weight");
    let arrays: Vec<(String, Array)> = arrays.into_iter().collect();
    io::save_safetensors(&weights, &arrays, &std::collections::HashMap::new()).unwrap();
    place.ok("generate --model model --adapter-path adapters --prompt x -m 2");
    for command in [
        "generate --model model --adapter-path peft --prompt x",
        "fuse --model model --adapter-path peft",
    ] {
        let said = place.fails(command);
        assert!(said.contains("adapts the table of tokens alone"), "{said}");
    }
}

#[test]
fn epochs_are_passes_over_the_rows() {
    let place = Place::new();
    // 12 rows in batches of 2.
    let run = common::TRAIN.replace("--iters 6", "--epochs 2");
    place.ok(&run);
    assert_eq!(config(&place, "adapters")["iters"], 12);
    // A saved run goes on to more passes.
    place.ok("train --resume --epochs 3");
    assert_eq!(config(&place, "adapters")["iters"], 18);
    let error = place.fails(&format!("{run} --iters 3 --adapter-path other"));
    assert!(
        error.contains("expected --epochs or --iters, found both"),
        "{error}"
    );
}

#[test]
fn the_best_and_the_last_adapters_stay() {
    let place = Place::new();
    let out = place.run(&format!(
        "{} --iters 12 --steps-per-eval 2 --save-every 3 --save-total-limit 2 --keep-best",
        common::TRAIN
    ));
    assert!(out.status.success(), "{}", text(&out.stderr));
    let mut copies: Vec<String> = std::fs::read_dir(place.path("adapters"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("00"))
        .collect();
    copies.sort_unstable();
    assert_eq!(
        copies,
        [
            "0000009_adapters.safetensors",
            "0000012_adapters.safetensors"
        ]
    );
    place.ok("generate --adapter-path adapters/0000009_adapters.safetensors --prompt x -m 2");
    // The metrics say which one is the best.
    let metrics = std::fs::read_to_string(place.path("adapters/metrics.jsonl")).unwrap();
    let losses = metrics
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap());
    let losses: Vec<(u64, f64)> = losses
        .filter_map(|r| Some((r["iteration"].as_u64()?, r["val_loss"].as_f64()?)))
        .filter(|(step, _)| *step > 0)
        .collect();
    let best = losses
        .iter()
        .copied()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    let said = format!(
        "the lowest valid loss was {:.3} after step {}",
        best.1, best.0
    );
    assert!(
        text(&out.stdout).contains(&said),
        "{said}: {}",
        text(&out.stdout)
    );
    let score = |adapter: &str| place.ok(&format!("eval --split valid --adapter-path {adapter}"));
    assert!(score("adapters/best").contains("valid loss"));
}

#[test]
fn a_loss_that_does_not_fall_ends_the_run() {
    let place = Place::new();
    // At this rate the loss rises at once.
    let args = "--iters 60 --learning-rate 3 --steps-per-eval 2 --early-stopping 3";
    let out = place.run(&format!("{} {args}", common::TRAIN));
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(
        text(&out.stderr).contains("stopping early"),
        "{}",
        text(&out.stderr)
    );
    assert!(
        !text(&out.stdout).contains("trained 60 steps"),
        "{}",
        text(&out.stdout)
    );
    std::fs::remove_file(place.path("data/valid.jsonl")).unwrap();
    let error = place.fails(&format!(
        "{} --early-stopping 3 --adapter-path b",
        common::TRAIN
    ));
    assert!(error.contains("need a valid split"), "{error}");
}

#[test]
fn mlx_lms_spelling_is_understood() {
    let place = Place::new();
    let run = common::TRAIN.replace("train --model", "lora --train --model");
    place.ok(&format!("{run} --fine-tune-type lora"));
    let out = place.run("lora --test --model model --data data");
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(
        text(&out.stdout).contains("test loss"),
        "{}",
        text(&out.stdout)
    );
    let error = place.fails("lora --model model --data data");
    assert!(error.contains("nothing to do"), "{error}");
    for (flag, note) in [
        (
            "--clear-cache-threshold 1GB",
            "--clear-cache-threshold has no effect",
        ),
        ("--trust-remote-code", "--trust-remote-code has no effect"),
    ] {
        let out = place.run(&format!("{run} {flag}"));
        assert!(
            out.status.success() && text(&out.stderr).contains(note),
            "{flag}: {}",
            text(&out.stderr)
        );
    }
    place.ok(&format!("{run} --fine-tune-type dora"));
}
