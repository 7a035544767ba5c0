//! Covers `fuse`: the numbers are mlx-lm's, the folder holds the model that was trained, and a mistake or a signal leaves
//! nothing behind.
//!
//! `fuse/dump.py` dumped the numbers of mlx-lm.

#![allow(missing_docs)]

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{write_tokenizer, Place};
use mlx_runtime::{io, ops, Array};
use serde_json::{json, Value};

/// A case of mlx-lm's, copied, with a tokenizer.
fn case(place: &Place, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuse")
        .join(name);
    for folder in ["model", "adapters"] {
        let to = place.path(name).join(folder);
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    let model = place.path(name).join("model");
    write_tokenizer(&model.join("tokenizer.json"));
    fs::write(
        model.join("tokenizer_config.json"),
        r#"{"eos_token": "</s>"}"#,
    )
    .unwrap();
    fs::write(
        model.join("generation_config.json"),
        r#"{"eos_token_id": [257]}"#,
    )
    .unwrap();
    fs::write(model.join("notes.txt"), "stays").unwrap();
}

fn tensors(folder: &Path) -> HashMap<String, Array> {
    io::load_safetensors_folder(folder).unwrap()
}

fn fixture(name: &str) -> HashMap<String, Array> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuse")
        .join(name);
    io::load_safetensors(path.join("fused.safetensors"))
        .unwrap()
        .0
}

fn config(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("config.json")).unwrap()).unwrap()
}

#[track_caller]
fn same(name: &str, found: &Array, wanted: &Array) {
    assert_eq!(
        (found.shape(), found.dtype()),
        (wanted.shape(), wanted.dtype()),
        "{name}"
    );
    let equal = ops::array_equal(found, wanted, false).unwrap();
    assert!(equal.item::<bool>().unwrap(), "{name} differs");
}

#[test]
fn the_numbers_are_those_of_mlx_lm() {
    let place = Place::new();
    for name in ["lora", "lora_q4", "lora_mxfp4"] {
        case(&place, name);
        place.ok(&format!("fuse --model {name}/model --adapter-path {name}/adapters --save-path {name}/fused --device cpu"));
        let out = place.path(name).join("fused");
        let (found, before) = (tensors(&out), tensors(&place.path(name).join("model")));
        let wanted = fixture(name);
        let fused = wanted
            .iter()
            .filter(|(n, _)| !n.starts_with("dequantized."));
        for (tensor, array) in fused {
            same(&format!("{name}: {tensor}"), &found[tensor], array);
        }
        for (tensor, array) in &before {
            if !wanted.contains_key(tensor) {
                same(&format!("{name}: {tensor}"), &found[tensor], array);
            }
        }
        assert_eq!(found.len(), before.len());
        assert_eq!(config(&out), config(&place.path(name).join("model")));
        assert!(out.join("generation_config.json").exists() && !out.join("notes.txt").exists());
    }
    for name in ["lora_q4", "lora_mxfp4"] {
        place.ok(&format!(
            "fuse --model {name}/model --adapter-path {name}/adapters --save-path {name}/dense --dequantize --device cpu"
        ));
        let out = place.path(name).join("dense");
        let found = tensors(&out);
        for (tensor, array) in &fixture(name) {
            if let Some(tensor) = tensor.strip_prefix("dequantized.") {
                same(&format!("{name}: {tensor}"), &found[tensor], array);
            }
        }
        assert!(found.keys().all(|n| !n.ends_with(".scales")));
        assert_eq!(config(&out)["quantization"], Value::Null);
    }
}

#[test]
fn an_adapter_of_dora_is_merged_as_mlx_lm_merges_it() {
    let place = Place::new();
    case(&place, "dora");
    place.ok(
        "fuse --model dora/model --adapter-path dora/adapters --save-path dora/fused --device cpu",
    );
    let found = tensors(&place.path("dora/fused"));
    for (name, wanted) in fixture("dora") {
        let (a, b) = (
            found[&name].to_vec::<f32>().unwrap(),
            wanted.to_vec::<f32>().unwrap(),
        );
        let worst = a
            .iter()
            .zip(&b)
            .map(|(x, y)| (x - y).abs())
            .fold(0f32, f32::max);
        assert!(worst < 1e-6, "{name}: {worst}");
    }
    // The adapter beside the model answers as the model that it is merged into.
    let text = |args: &str| place.ok(&format!("generate -m 12 --prompt x --device cpu {args}"));
    assert_eq!(
        text("--model dora/model --adapter-path dora/adapters"),
        text("--model dora/fused")
    );
}

#[test]
fn the_folder_answers_as_the_model_with_its_adapter() {
    let place = Place::new();
    place.train("");
    let text = |args: &str| place.ok(&format!("generate -m 12 --prompt train? {args}"));
    let wanted = text("--adapter-path adapters");
    // Shards of 50 kB, in place of the default name.
    place.ok("fuse --shard-size 50000");
    assert_eq!(text("--model fused_model"), wanted);
    let index: Value = serde_json::from_str(
        &fs::read_to_string(place.path("fused_model/model.safetensors.index.json")).unwrap(),
    )
    .unwrap();
    let files: std::collections::BTreeSet<&str> = index["weight_map"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        files.len() > 1
            && files
                .iter()
                .all(|f| place.path("fused_model").join(f).exists())
    );
    // Nothing else is left beside it.
    let litter = fs::read_dir(place.path(".")).unwrap().filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".fuse")
    });
    assert_eq!(litter.count(), 0);

    place.ok("fuse --save-path packed -q --q-bits 8 --q-group-size 32");
    assert_eq!(
        config(&place.path("packed"))["quantization"],
        json!({"group_size": 32, "bits": 8, "mode": "affine"})
    );
    place.ok("generate -m 4 --prompt train? --model packed");
}

#[test]
fn a_gguf_file_becomes_a_folder_in_its_own_quantisation() {
    let place = Place::new();
    common::gguf::write(&place.path("model"), &place.path("m.gguf"));
    place.train("--model m.gguf");
    let text = |args: &str| {
        place.ok(&format!(
            "generate -m 12 --ignore-chat-template --prompt train? {args}"
        ))
    };
    let wanted = text("--adapter-path adapters");
    place.ok("fuse");
    assert_eq!(text("--model fused_model"), wanted);
    assert_eq!(config(&place.path("fused_model"))["model_type"], "llama");
    // And back.
    place.ok("fuse --no-adapter --model fused_model --save-path again --export-gguf --gguf-path a.gguf --gguf-type f32");
    assert_eq!(text("--model again/a.gguf"), wanted);
}

#[test]
fn mistakes_are_one_error_each_and_leave_nothing() {
    let place = Place::new();
    place.train("");
    place.write("full/x", "");
    place.write("file", "");
    place.write(
        "odd/adapter_config.json",
        r#"{"num_layers": 1, "lora_parameters": {"rank": 2, "scale": 1.0}}"#,
    );
    let a = Array::from_slice(&[0f32; 6], &[3, 2]).unwrap();
    let arrays = [("model.layers.9.self_attn.q_proj.lora_a".to_owned(), a)];
    io::save_safetensors(
        place.path("odd/adapters.safetensors"),
        &arrays,
        &HashMap::new(),
    )
    .unwrap();
    for (args, expected) in [
        ("--save-path full", "--overwrite"),
        ("--save-path file", "found something else"),
        (
            "--save-path model --overwrite",
            "is the folder of the model",
        ),
        ("--adapter-path nowhere", "expected an adapter at nowhere"),
        (
            "--adapter-path odd --model model",
            "model.layers.9.self_attn.q_proj: expected lora_a and lora_b",
        ),
        ("--dequantize -q", "found both"),
        ("--shard-size lots", "lots"),
        ("--upload-repo a/b", "hf upload"),
    ] {
        let error = place.fails(&format!("fuse {args}"));
        assert!(error.contains(expected), "{args}: {error}");
    }
    assert!(!place.path("fused_model").exists());
    assert!(place.path("full/x").exists());
    place.ok("fuse --save-path full --overwrite");
    assert!(!place.path("full/x").exists() && place.path("full/config.json").exists());
}

#[test]
fn values_that_are_not_finite_are_named() {
    let place = Place::new();
    place.train("");
    let file: PathBuf = place.path("adapters/adapters.safetensors");
    let (arrays, metadata) = io::load_safetensors(&file).unwrap();
    let mut arrays: Vec<(String, Array)> = arrays.into_iter().collect();
    let name = "model.layers.1.mlp.up_proj.lora_b";
    let at = arrays.iter_mut().find(|(n, _)| n == name).unwrap();
    at.1 = Array::from_slice(&vec![f32::NAN; at.1.size()], at.1.shape()).unwrap();
    io::save_safetensors(&file, &arrays, &metadata).unwrap();
    let error = place.fails("fuse");
    assert!(
        error.contains("model.layers.1.mlp.up_proj.weight is not finite"),
        "{error}"
    );
    assert!(!place.path("fused_model").exists());
}
