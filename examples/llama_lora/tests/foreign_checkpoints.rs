//! Models and adapters as other programs write them give the numbers of those programs.

#![allow(missing_docs)]

mod common;

use std::collections::HashMap;
use std::fs;

use common::gguf::{self, neighbours};
use common::{Place, TRAIN};
use mlx_runtime::io;
use mlx_runtime::{ops, Array, Dtype};
use serde_json::{json, Value};

type Arrays = HashMap<String, Array>;

/// The loss that `eval` prints.
fn loss(place: &Place, args: &str) -> f64 {
    let out = place.ok(&format!("eval --data data {args}"));
    let loss = out.split_whitespace().nth(2).unwrap().trim_end_matches(',');
    loss.parse().unwrap()
}

#[track_caller]
fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1.5e-3, "{a} and {b}");
}

fn read(place: &Place, name: &str) -> Arrays {
    let (arrays, _) = io::load_safetensors(place.path(name)).unwrap();
    arrays.values().for_each(|a| a.eval().unwrap());
    arrays
}

fn write(place: &Place, name: &str, arrays: Arrays) {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let all: Vec<(String, Array)> = arrays.into_iter().collect();
    io::save_safetensors(path, &all, &HashMap::new()).unwrap();
}

fn json_of(place: &Place, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(place.path(name)).unwrap()).unwrap()
}

/// The folder `model` again under another name.
fn copy(place: &Place, to: &str) {
    fs::create_dir_all(place.path(to)).unwrap();
    for entry in fs::read_dir(place.path("model")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), place.path(to).join(entry.file_name())).unwrap();
    }
}

/// A safetensors file of bytes under dtypes that this crate does not write.
fn write_raw(place: &Place, name: &str, tensors: &[(String, &str, Vec<i32>, Vec<u8>)]) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let end = data.len() + bytes.len();
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [data.len(), end]});
        header.insert(name.clone(), entry);
        data.extend(bytes);
    }
    let text = Value::Object(header).to_string();
    let length = (text.len() as u64).to_le_bytes();
    fs::write(
        place.path(name),
        [&length[..], text.as_bytes(), &data].concat(),
    )
    .unwrap();
}

/// A folder with projections of eight bits and a scale for each block of 16 x 16, and one with the values that they
/// stand for.
#[test]
fn a_folder_in_eight_bit_floats_is_the_model_that_its_values_stand_for() {
    let place = Place::new();
    let block = 16;
    copy(&place, "dense");
    copy(&place, "f8");
    let (mut dense, mut raw) = (Arrays::new(), Vec::new());
    for (name, a) in read(&place, "model/model.safetensors") {
        let values = a.to_vec::<f32>().unwrap();
        if !name.contains("proj") {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            raw.push((name.clone(), "F32", a.shape().to_vec(), bytes));
            dense.insert(name, a);
            continue;
        }
        let (rows, columns) = (a.shape()[0], a.shape()[1]);
        let grid = [(rows - 1) / block + 1, (columns - 1) / block + 1];
        let scales: Vec<f32> = (0..grid[0] * grid[1])
            .map(|i| 0.001 * (i + 1) as f32)
            .collect();
        let scale = |i: usize| {
            let (row, column) = (i as i32 / columns, i as i32 % columns);
            scales[(row / block * grid[1] + column / block) as usize]
        };
        let over: Vec<f32> = values
            .iter()
            .enumerate()
            .map(|(i, v)| v / scale(i))
            .collect();
        let over = Array::from_slice(&over, a.shape()).unwrap();
        let codes = ops::to_fp8(&over).unwrap();
        let back = ops::from_fp8(&codes, Dtype::Float32)
            .unwrap()
            .to_vec::<f32>()
            .unwrap();
        let back: Vec<f32> = back.iter().enumerate().map(|(i, v)| v * scale(i)).collect();
        let of = |v: &[f32]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        raw.push((
            name.clone(),
            "F8_E4M3",
            a.shape().to_vec(),
            codes.to_vec::<u8>().unwrap(),
        ));
        raw.push((
            format!("{name}_scale_inv"),
            "F32",
            grid.to_vec(),
            of(&scales),
        ));
        dense.insert(name, Array::from_slice(&back, a.shape()).unwrap());
    }
    write(&place, "dense/model.safetensors", dense);
    write_raw(&place, "f8/model.safetensors", &raw);
    let mut config = json_of(&place, "f8/config.json");
    config["quantization_config"] =
        json!({"quant_method": "fp8", "weight_block_size": [block, block], "fmt": "e4m3"});
    place.write("f8/config.json", &config.to_string());
    assert_eq!(loss(&place, "--model f8"), loss(&place, "--model dense"));

    for (entry, says) in [
        (json!({"quant_method": "gptq", "bits": 4}), "gptq"),
        (
            json!({"quant_method": "compressed-tensors", "format": "pack-quantized"}),
            "pack-quantized",
        ),
        (
            json!({"quant_method": "fp8", "weight_block_size": [0, 16]}),
            "weight_block_size",
        ),
    ] {
        config["quantization_config"] = entry;
        place.write("f8/config.json", &config.to_string());
        let message = place.fails("eval --model f8 --data data");
        assert!(message.contains(says), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_gguf_that_may_only_be_read_leaves_no_copy() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("models/notes", "");
    gguf::write(&place.path("model"), &place.path("models/model.gguf"));
    let wanted = place.ok("eval --data data --model models/model.gguf");
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("models/model.gguf", 0o444);
    mode("models", 0o555);
    fs::create_dir(place.path("temporary")).unwrap();
    let mut command = place.command("eval --data data --model models/model.gguf");
    let out = command
        .env("TMPDIR", place.path("temporary"))
        .output()
        .unwrap();
    mode("models", 0o755);
    assert!(out.status.success(), "{}", common::text(&out.stderr));
    assert_eq!(common::text(&out.stdout), wanted);
    let left = fs::read_dir(place.path("temporary")).unwrap().count();
    assert_eq!(left, 0, "a copy is left");
}

#[test]
fn an_adapter_of_a_gguf_fits_the_folder_of_the_same_model_and_back() {
    let place = Place::new();
    gguf::write(&place.path("model"), &place.path("model.gguf"));
    near(
        loss(&place, "--model model.gguf"),
        loss(&place, "--model model"),
    );
    place.ok(&TRAIN.replace("--model model", "--model model.gguf"));
    let file = loss(&place, "--model model.gguf --adapter-path adapters");
    near(loss(&place, "--model model --adapter-path adapters"), file);
    assert!(file < loss(&place, "--model model") - 0.1);
    place.ok("train --resume --iters 7");
    // A state as it was saved in the order of the file.
    let (arrays, metadata) =
        io::load_safetensors(place.path("adapters/state.safetensors")).unwrap();
    let arrays: Vec<(String, Array)> = arrays.into_iter().collect();
    let old = metadata.into_iter();
    let old = old.map(|(k, v)| (k, v.replace("\"version\":2", "\"version\":1")));
    let path = place.path("adapters/state.safetensors");
    io::save_safetensors(path, &arrays, &old.collect()).unwrap();
    let message = place.fails("train --resume --iters 8");
    assert!(
        message.contains("--resume-adapter-file adapters"),
        "{message}"
    );

    // As adapters were saved before they said the order of their rows.
    let mut config = json_of(&place, "adapters/adapter_config.json");
    assert_eq!(config["row_order"], "hugging_face");
    let mut weights = read(&place, "adapters/adapters.safetensors");
    for (name, a) in &mut weights {
        for (end, heads) in [("q_proj.lora_b", 4), ("k_proj.lora_b", 2)] {
            if name.ends_with(end) {
                *a = neighbours(a, heads);
            }
        }
    }
    config.as_object_mut().unwrap().remove("row_order");
    write(&place, "old/adapters.safetensors", weights);
    place.write("old/adapter_config.json", &config.to_string());
    let now = loss(&place, "--model model --adapter-path adapters");
    near(loss(&place, "--model model.gguf --adapter-path old"), now);
    near(loss(&place, "--model model --adapter-path old"), now);
    // An adapter that names the folder as its model has the folder's row order.
    config["model"] = json!("model");
    place.write("old/adapter_config.json", &config.to_string());
    let other = loss(&place, "--model model --adapter-path old");
    assert!((other - now).abs() > 5e-3, "{other} and {now}");
    config["row_order"] = json!("gguf");
    place.write("old/adapter_config.json", &config.to_string());
    let message = place.fails("eval --model model --data data --adapter-path old");
    assert!(
        message.contains("\"gguf\"") && message.contains("hugging_face"),
        "{message}"
    );
}

#[test]
fn short_keys_are_saved_as_the_names_that_mlx_lm_knows() {
    let place = Place::new();
    place.train("--lora-keys q_proj,mlp.up_proj");
    let config = json_of(&place, "adapters/adapter_config.json");
    assert_eq!(
        config["lora_parameters"]["keys"],
        json!(["self_attn.q_proj", "mlp.up_proj"])
    );
    // An adapter with short keys is still read.
    let before = loss(&place, "--model model --adapter-path adapters");
    let mut config = config;
    config["lora_parameters"]["keys"] = json!(["q_proj", "up_proj"]);
    write(
        &place,
        "old/adapters.safetensors",
        read(&place, "adapters/adapters.safetensors"),
    );
    place.write("old/adapter_config.json", &config.to_string());
    assert_eq!(loss(&place, "--model model --adapter-path old"), before);
}

/// The halves of an adapter of PEFT, and the model into which they are merged: `W + scale * B A`.
#[test]
fn a_folder_of_peft_is_the_model_into_which_it_is_merged() {
    let place = Place::new();
    copy(&place, "merged");
    let mut state = 7u64;
    let mut random = |shape: &[i32]| {
        let values = (0..shape.iter().product::<i32>()).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        });
        Array::from_slice(&values.collect::<Vec<f32>>(), shape).unwrap()
    };
    let mut model = read(&place, "model/model.safetensors");
    let mut adapter = Arrays::new();
    // One layer has its own rank and alpha, one has no adapter, and one has the names of an older version.
    for (path, rank, alpha, between) in [
        ("model.layers.1.self_attn.q_proj", 4, 30.0f32, ""),
        ("model.layers.1.mlp.down_proj", 2, 15.0, ".default"),
        ("model.layers.0.self_attn.q_proj", 4, 30.0, ""),
    ] {
        let weight = model.get_mut(&format!("{path}.weight")).unwrap();
        let (out, input) = (weight.shape()[0], weight.shape()[1]);
        let (a, b) = (random(&[rank, input]), random(&[out, rank]));
        let scale = Array::scalar(alpha / (rank as f32).sqrt()).unwrap();
        let delta = ops::multiply(&ops::matmul(&b, &a).unwrap(), &scale).unwrap();
        *weight = ops::add(weight, &delta).unwrap();
        for (half, array) in [("lora_A", a), ("lora_B", b)] {
            adapter.insert(
                format!("base_model.model.{path}.{half}{between}.weight"),
                array,
            );
        }
    }
    write(&place, "merged/model.safetensors", model);
    write(&place, "peft/adapter_model.safetensors", adapter.clone());
    let config = json!({
        "peft_type": "LORA", "base_model_name_or_path": "model", "r": 4, "lora_alpha": 30, "use_rslora": true,
        "lora_dropout": 0.1, "bias": "none", "target_modules": ["q_proj", "down_proj"], "fan_in_fan_out": false,
        "modules_to_save": null, "use_dora": false, "init_lora_weights": true, "task_type": "CAUSAL_LM",
        // The first pattern that fits counts.
        "rank_pattern": {"down_proj": 2}, "alpha_pattern": {"layers\\.1\\.mlp\\.down_proj": 15, "down_proj": 99},
        "inference_mode": true, "revision": null, "layers_to_transform": null,
    });
    let put = |config: &Value| place.write("peft/adapter_config.json", &config.to_string());
    put(&config);
    let merged = loss(&place, "--model merged");
    near(loss(&place, "--model model --adapter-path peft"), merged);
    near(loss(&place, "--adapter-path peft"), merged);
    let without = loss(&place, "--model model");
    assert!((merged - without).abs() > 0.02, "{merged} and {without}");
    place.ok("generate --adapter-path peft --prompt hello --max-tokens 3");

    // Training resumes from it, and changes nothing in layers without an adapter.
    place.ok(&format!(
        "{TRAIN} --iters 1 --learning-rate 1e-30 --resume-adapter-file peft"
    ));
    near(
        loss(&place, "--model model --adapter-path adapters"),
        merged,
    );
    place.ok(&format!(
        "{TRAIN} --iters 3 --resume-adapter-file peft/adapter_model.safetensors"
    ));
    let trained = read(&place, "adapters/adapters.safetensors");
    for name in [
        "model.layers.0.mlp.down_proj.lora_b",
        "model.layers.0.mlp.down_proj.lora_a",
    ] {
        let most = ops::max(&ops::abs(&trained[name]).unwrap(), &[0, 1], false).unwrap();
        assert_eq!(most.item::<f32>().unwrap(), 0.0);
    }

    for (key, value, says) in [
        ("peft_type", json!("IA3"), "\"IA3\""),
        ("use_dora", json!(true), "use_dora"),
        ("modules_to_save", json!(["lm_head"]), "modules_to_save"),
        ("bias", json!("all"), "bias"),
        ("init_lora_weights", json!("pissa"), "pissa"),
        ("r", json!(0), "r above 0"),
    ] {
        let mut other = config.clone();
        other[key] = value;
        put(&other);
        let message = place.fails("eval --model model --data data --adapter-path peft");
        assert!(message.contains(says), "{message}");
    }
    put(&config);
    let refused = |change: &dyn Fn(&mut Arrays), says: &str| {
        let mut changed = adapter.clone();
        change(&mut changed);
        write(&place, "peft/adapter_model.safetensors", changed);
        let message = place.fails("eval --model model --data data --adapter-path peft");
        assert!(message.contains(says), "{message}");
    };
    let stem = "base_model.model.model.layers.1.self_attn.q_proj";
    let one = Array::from_slice(&[1f32; 32], &[32, 1]).unwrap();
    let put = |name: &str| {
        let (name, one) = (name.to_owned(), one.clone());
        move |all: &mut Arrays| {
            all.insert(name.clone(), one.clone());
        }
    };
    refused(
        &put(&format!("{stem}.lora_magnitude_vector.weight")),
        "lora_magnitude_vector",
    );
    refused(&put("base_model.model.lm_head.weight"), "lm_head.weight");
    refused(&put(&format!("{stem}.lora_B.weight")), "of one rank");
    refused(
        &|all| {
            all.remove(&format!("{stem}.lora_A.weight"));
        },
        "one of them",
    );
    fs::remove_file(place.path("peft/adapter_model.safetensors")).unwrap();
    place.write("peft/adapter_model.bin", "");
    let message = place.fails("eval --model model --data data --adapter-path peft");
    assert!(message.contains("pickle"), "{message}");
}
