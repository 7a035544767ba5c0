//! Covers `adapter info`, `adapter convert` and `adapter merge`: an adapter does the same in every format, there and back,
//! and a merged one adds the weighted sum.
//!
//! `adapter_files/check.py` compares converted adapters with PEFT's own model.

#![allow(missing_docs)]

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::Place;
use mlx_runtime::{io, ops, Array};
use serde_json::Value;

fn tensors(place: &Place, file: &str) -> HashMap<String, Array> {
    io::load_safetensors(place.path(file)).unwrap().0
}

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(place.path(file)).unwrap()).unwrap()
}

#[track_caller]
fn near(a: &Array, b: &Array, bound: f32) {
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    assert_eq!(a.len(), b.len());
    let worst = a
        .iter()
        .zip(&b)
        .map(|(x, y)| (x - y).abs())
        .fold(0f32, f32::max);
    assert!(worst <= bound, "{worst}");
}

/// The tensors of the model with an adapter in it.
fn fused(place: &Place, adapter: &str) -> HashMap<String, Array> {
    place.ok(&format!(
        "fuse --model model --adapter-path {adapter} --save-path out --overwrite --device cpu"
    ));
    io::load_safetensors_folder(place.path("out")).unwrap()
}

#[test]
fn an_adapter_goes_to_peft_and_back() {
    let place = Place::new();
    place.train("--num-layers 1");
    let shown = place.ok("adapter info adapters");
    for part in [
        "format       mlx-lm",
        "kind         lora",
        "model        model",
        "rank         2",
        "layers       1",
        "self_attn.q_proj",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    place.ok("adapter convert adapters --to peft --save-path peft");
    let config = json(&place, "peft/adapter_config.json");
    assert_eq!(
        (&config["r"], &config["lora_alpha"]),
        (&2.into(), &40.0.into())
    );
    assert_eq!(config["layers_to_transform"], serde_json::json!([1]));
    let shown = place.ok("adapter info peft");
    assert!(
        shown.contains("format       PEFT") && shown.contains("scale        20 (alpha 40)"),
        "{shown}"
    );
    place.ok("adapter convert peft/adapter_model.safetensors --to mlx --save-path back");
    let (was, is) = (
        tensors(&place, "adapters/adapters.safetensors"),
        tensors(&place, "back/adapters.safetensors"),
    );
    assert_eq!(was.len(), is.len());
    for (name, array) in &was {
        assert!(
            ops::array_equal(array, &is[name], false)
                .unwrap()
                .item::<bool>()
                .unwrap(),
            "{name}"
        );
    }
    let answer = |adapter: &str| {
        place.ok(&format!(
            "generate --model model --adapter-path {adapter} --prompt train? -m 12"
        ))
    };
    assert_eq!(answer("back"), answer("adapters"));
    assert_eq!(answer("peft"), answer("adapters"));
}

#[test]
fn dora_keeps_its_norms() {
    let place = Place::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuse/dora/adapters");
    place.ok(&format!(
        "adapter convert {} --to peft --save-path peft",
        from.display()
    ));
    assert_eq!(json(&place, "peft/adapter_config.json")["use_dora"], true);
    place.ok("adapter convert peft --to mlx --save-path back");
    let was = io::load_safetensors(from.join("adapters.safetensors"))
        .unwrap()
        .0;
    let is = tensors(&place, "back/adapters.safetensors");
    assert_eq!(was.len(), is.len());
    was.iter()
        .for_each(|(name, array)| near(array, &is[name], 0.0));
    assert_eq!(
        json(&place, "back/adapter_config.json")["fine_tune_type"],
        "dora"
    );
    let error = place.fails("adapter merge back back --save-path m");
    assert!(error.contains("unsupported merge of dora"), "{error}");
}

#[test]
fn a_merged_adapter_adds_the_weighted_sum() {
    let place = Place::new();
    place.train("--adapter-path a");
    place.train("--adapter-path b --num-layers 1 --lora-rank 3 --lora-scale 7 --seed 5");
    let shown = place.ok("adapter merge a b --weights 0.5,-1.5 --save-path m");
    assert!(shown.contains("2 adapters as one of rank 5"), "{shown}");
    let (base, a, b) = (
        io::load_safetensors_folder(place.path("model")).unwrap(),
        fused(&place, "a"),
        fused(&place, "b"),
    );
    let m = fused(&place, "m");
    for (name, w) in &base {
        let scaled = |x: &Array, by: f32| {
            ops::multiply(&ops::subtract(x, w).unwrap(), Array::scalar(by).unwrap()).unwrap()
        };
        let wanted = ops::add(
            w,
            ops::add(&scaled(&a[name], 0.5), scaled(&b[name], -1.5)).unwrap(),
        )
        .unwrap();
        near(&m[name], &wanted, 1e-5);
    }
    place.ok("generate --model model --adapter-path m --prompt x -m 2");
}

#[test]
fn mistakes_are_one_error_each() {
    let place = Place::new();
    place.train("");
    for (args, expected) in [
        ("info nowhere", "expected an adapter at nowhere"),
        (
            "convert adapters --to mlx --save-path adapters",
            "--overwrite",
        ),
        (
            "merge adapters adapters --weights 1 --save-path m",
            "expected 2 finite numbers",
        ),
        (
            "convert data --to peft --save-path m",
            "adapters.safetensors",
        ),
    ] {
        let error = place.fails(&format!("adapter {args}"));
        assert!(error.contains(expected), "{args}: {error}");
    }
}
