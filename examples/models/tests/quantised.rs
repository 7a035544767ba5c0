//! A Llama packed in every mode that MLX has, beside mlx-lm: a model of `mlx_lm.convert -q` is read, packing at load
//! gives the same tensors, and logits and gradients of adapters agree; so do packed experts. `dump_quantised.py` and
//! `dump_quantised_experts.py` write the dumps.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{adapt, close, gradients, on_gpu, Dump};
use mlx_models::llama::Llama;
use mlx_models::qwen3_moe::Qwen3Moe;
use mlx_models::{CausalLm, Config};
use mlx_runtime::__private::forward_packed;
use mlx_runtime::model::{self, Leaf, LoadOptions, Model, Quantization};
use mlx_runtime::nn::KvCache;
use mlx_runtime::ops::packed;
use mlx_runtime::{ops, random, Array, Dtype};

const MODES: [(&str, Quantization); 9] = [
    ("affine2", affine(32, 2)),
    ("affine3", affine(64, 3)),
    ("affine4", affine(64, 4)),
    ("affine5", affine(32, 5)),
    ("affine6", affine(64, 6)),
    ("affine8", affine(64, 8)),
    ("mxfp4", Quantization::Mxfp4),
    ("mxfp8", Quantization::Mxfp8),
    ("nvfp4", Quantization::Nvfp4),
];

const fn affine(group_size: i32, bits: i32) -> Quantization {
    Quantization::Affine { group_size, bits }
}

fn load(dump: &Dump, weights: HashMap<String, Array>, options: &LoadOptions) -> Llama {
    let config = Arc::new(Config::parse(&dump.config).unwrap());
    model::load(&config, weights.into(), options).unwrap()
}

fn logits(dump: &Dump, model: &Llama) -> Array {
    let tokens = dump.array("tokens");
    model.logits(tokens, &mut KvCache::off()).unwrap()
}

fn tensors(model: &Llama) -> HashMap<String, Array> {
    model.parameters().into_iter().collect()
}

/// Packed at load as the mode says.
fn packed(dump: &Dump, how: Quantization) -> Llama {
    let mut options = LoadOptions::new(Dtype::Float32);
    options.quantize = Some(how);
    load(dump, dump.under("weight."), &options)
}

#[test]
fn a_model_packed_at_load_computes_what_mlx_lm_computes() {
    let dump = Dump::open("quantised");
    for (name, how) in MODES {
        let model = packed(&dump, how);
        let theirs = dump.array(&format!("{name}.logits"));
        close(name, &logits(&dump, &model), theirs, 1e-5);
        // From 8 rows on MLX's CUDA backend compiles a packed product for half a minute, and nothing here
        // uses it there.
        let rows = if on_gpu() { 6 } else { 32 };
        model.visit("", &mut |path, leaf| {
            let mut parts = HashMap::new();
            leaf.each(&mut |name, array, _| _ = parts.insert(name.to_string(), array.clone()));
            let (Leaf::Linear(layer), Some(scales)) = (leaf, parts.remove("scales")) else {
                return;
            };
            let (weight, biases) = (parts["weight"].clone(), parts.remove("biases"));
            let parts = packed::Packed {
                weight,
                scales,
                biases,
            };
            let dense = packed::unpack(&parts, how, None, Some(Dtype::Float32)).unwrap();
            let shape = [rows, dense.dim(1).unwrap()];
            let key = random::key(7).unwrap();
            let x = random::normal(&shape, Dtype::Float32, 0.0, 1.0, Some(&key)).unwrap();
            let theirs = ops::matmul(&x, &ops::transpose(&dense, &[1, 0]).unwrap()).unwrap();
            let kept = forward_packed(layer, &x).unwrap();
            close(
                &format!("{name}: {path}, kept packed"),
                &kept,
                &theirs,
                1e-5,
            );
        });
    }
}

#[test]
fn adapters_on_packed_weights_have_mlx_lms_gradients() {
    let dump = Dump::open("quantised");
    for (name, how) in MODES {
        let mut model = packed(&dump, how);
        adapt(&mut model, &dump, 2);
        let batch = ["tokens", "targets", "weights"].map(|name| dump.array(name).clone());
        let loss = move |m: &Llama| m.loss(&batch[0], &batch[1], &batch[2]);
        gradients(name, &model, &dump, &format!("{name}."), loss);
    }
}

#[test]
fn packed_checkpoints_are_read_as_they_are_or_unpacked() {
    let dump = Dump::open("quantised");
    for (name, how) in MODES {
        let stored = dump.under(&format!("{name}.weight."));
        if stored.is_empty() {
            continue;
        }
        let theirs = dump.array(&format!("{name}.logits"));
        let mut options = LoadOptions::new(Dtype::Float32);
        let model = load(&dump, stored.clone(), &options);
        close(name, &logits(&dump, &model), theirs, 1e-5);
        // Packing at load makes the same tensors as the checkpoint has: to the bit on a CPU, unpacked on a GPU.
        let (read, made) = (tensors(&model), tensors(&packed(&dump, how)));
        assert_eq!(read.len(), stored.len());
        assert_eq!(made.len(), stored.len());
        for (path, theirs) in &stored {
            let all = [&read[path], &made[path]];
            for ours in &all[..if on_gpu() { 1 } else { 2 }] {
                assert_eq!(ours.to_string(), theirs.to_string(), "{name}: {path}");
                let same = mlx_runtime::ops::array_equal(ours, theirs, false).unwrap();
                assert!(same.item::<bool>().unwrap(), "{name}: {path}");
            }
        }
        if on_gpu() {
            println!("on a GPU, packed words are compared by what they stand for: zeros have other signs there");
            for path in stored.keys().filter_map(|p| p.strip_suffix(".scales")) {
                a_step_apart(name, path, how, &made, &stored);
            }
        }
        options.unpack = true;
        let model = load(&dump, stored, &options);
        assert!(tensors(&model)
            .values()
            .all(|a| a.dtype() == Dtype::Float32));
        close(
            &format!("{name}, unpacked"),
            &logits(&dump, &model),
            theirs,
            1e-5,
        );
    }
}

/// A matrix of both, unpacked: hardly any value is another one, and then by one step of the format, which is at most a
/// third of the largest.
fn a_step_apart(
    name: &str,
    path: &str,
    how: Quantization,
    ours: &HashMap<String, Array>,
    theirs: &HashMap<String, Array>,
) {
    let unpacked = |all: &HashMap<String, Array>| {
        let part = |leaf: &str| all.get(&format!("{path}.{leaf}")).cloned();
        let packed = packed::Packed {
            weight: part("weight").unwrap(),
            scales: part("scales").unwrap(),
            biases: part("biases"),
        };
        let dense = packed::unpack(&packed, how, None, Some(Dtype::Float32)).unwrap();
        dense.to_vec::<f32>().unwrap()
    };
    let (ours, theirs) = (unpacked(ours), unpacked(theirs));
    assert_eq!(ours.len(), theirs.len(), "{name}: {path}");
    let most = theirs.iter().fold(0f32, |m, x| m.max(x.abs()));
    let others: Vec<f32> = ours
        .iter()
        .zip(&theirs)
        .map(|(a, b)| (a - b).abs() / most)
        .filter(|d| *d > 1e-6 || d.is_nan())
        .collect();
    assert!(
        others.len() * 50 <= ours.len() && others.iter().all(|d| *d <= 0.34),
        "{name}: {path}: {others:?} of {}",
        ours.len()
    );
}

#[test]
fn packed_experts_compute_what_mlx_lm_computes() {
    let dump = Dump::open("quantised_experts");
    let config = Arc::new(Config::parse(&dump.config).unwrap());
    for name in ["affine4", "mxfp4"] {
        let stored = dump.under(&format!("{name}.weight."));
        let theirs = dump.array(&format!("{name}.logits"));
        let tokens = dump.array("tokens");
        let logits = |m: &Qwen3Moe| m.logits(tokens, &mut KvCache::off()).unwrap();
        let mut options = LoadOptions::new(Dtype::Float32);
        let mut model: Qwen3Moe = model::load(&config, stored.clone().into(), &options).unwrap();
        close(name, &logits(&model), theirs, 1e-5);
        let read: HashMap<String, Array> = model.parameters().into_iter().collect();
        for (path, theirs) in &stored {
            let same = ops::array_equal(&read[path], theirs, false).unwrap();
            assert!(same.item::<bool>().unwrap(), "{name}: {path}");
        }
        adapt(&mut model, &dump, 2);
        let batch = ["tokens", "targets", "weights"].map(|name| dump.array(name).clone());
        let loss = move |m: &Qwen3Moe| m.loss(&batch[0], &batch[1], &batch[2]);
        gradients(name, &model, &dump, &format!("{name}."), loss);
        // The experts one by one, as other programs store them, are packed experts too.
        let mut apart = HashMap::new();
        for (path, array) in &stored {
            match path.contains("switch_mlp.") {
                false => _ = apart.insert(path.clone(), array.clone()),
                true => {
                    for i in 0..array.dim(0).unwrap() {
                        let one = ops::take(array, &Array::scalar(i).unwrap(), 0).unwrap();
                        let path = path.replace("switch_mlp.", &format!("experts.{i}."));
                        apart.insert(path, one);
                    }
                }
            }
        }
        let model: Qwen3Moe = model::load(&config, apart.into(), &options).unwrap();
        close(
            &format!("{name}, one by one"),
            &logits(&model),
            theirs,
            1e-5,
        );
        options.unpack = true;
        let model: Qwen3Moe = model::load(&config, stored.into(), &options).unwrap();
        close(&format!("{name}, unpacked"), &logits(&model), theirs, 1e-5);
    }
}

#[test]
fn experts_are_packed_at_load() {
    let dump = Dump::open("quantised_experts");
    let config = Arc::new(Config::parse(&dump.config).unwrap());
    let stored = dump.under("affine4.weight.");
    let mut options = LoadOptions::new(Dtype::Float32);
    options.unpack = true;
    let dense: Qwen3Moe = model::load(&config, stored.into(), &options).unwrap();
    let weights: HashMap<String, Array> = dense.parameters().into_iter().collect();
    options.unpack = false;
    options.quantize = Some(affine(32, 4));
    let packed: Qwen3Moe = model::load(&config, weights.clone().into(), &options).unwrap();
    let made: HashMap<String, Array> = packed.parameters().into_iter().collect();
    let path = "model.layers.0.mlp.switch_mlp.up_proj";
    // The values that MLX packs of the same numbers.
    let theirs = packed::pack(&weights[&format!("{path}.weight")], affine(32, 4), None).unwrap();
    for (leaf, theirs) in [("weight", &theirs.weight), ("scales", &theirs.scales)] {
        let ours = &made[&format!("{path}.{leaf}")];
        let same = ops::array_equal(ours, theirs, false).unwrap();
        assert!(same.item::<bool>().unwrap(), "{leaf}");
    }
}

#[test]
fn broken_checkpoints_are_refused() {
    let dump = Dump::open("quantised");
    let config = Arc::new(Config::parse(&dump.config).unwrap());
    let said = |change: &dyn Fn(&mut HashMap<String, Array>)| {
        let mut stored = dump.under("mxfp4.weight.");
        change(&mut stored);
        let options = LoadOptions::new(Dtype::Float32);
        let loaded = model::load::<Llama>(&config, stored.into(), &options);
        loaded.err().unwrap().to_string()
    };
    const PATH: &str = "model.layers.0.mlp.up_proj";
    let extra = |leaf: &str, from: &str| {
        said(&|all| {
            let a = all[&format!("{PATH}.{from}")].clone();
            all.insert(format!("{PATH}.{leaf}"), a);
        })
    };
    assert!(extra("biases", "scales").contains("expected no biases"));
    assert!(extra("global_scale", "scales").contains("global scale"));
    let text = extra("scales", "weight");
    assert!(text.contains("in quantised form"), "{text}");
    // Scales of floats are affine ones.
    let affine = dump.array("affine3.weight.model.layers.0.mlp.up_proj.scales");
    let text = said(&|all| {
        all.insert(format!("{PATH}.scales"), affine.clone());
    });
    assert!(text.contains("biases are missing"), "{text}");
}
