//! Weights in eight-bit floats with scales, beside mlx-lm with values that NumPy computed from them. `dump_float8.py`
//! writes the dumps.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{close, Dump};
use mlx_models::llama::Llama;
use mlx_models::{CausalLm, Config};
use mlx_runtime::model::{self, LoadOptions, Weights};
use mlx_runtime::nn::KvCache;
use mlx_runtime::{Array, Dtype, ErrorKind, Result};

const SCHEMES: [&str; 5] = ["plain", "tensor", "inverse", "row", "block"];
const BLOCK: [i32; 2] = [12, 24];

fn weights(dump: &Dump, scheme: &str) -> HashMap<String, Array> {
    let mut all = dump.under("weight.");
    all.extend(dump.under(&format!("{scheme}.")));
    all.remove("logits");
    all
}

fn load(dump: &Dump, weights: Weights) -> Result<Llama> {
    let config = Arc::new(Config::parse(&dump.cases).unwrap());
    model::load(&config, weights, &LoadOptions::new(Dtype::Float32))
}

#[test]
fn a_model_computes_with_the_values_that_codes_and_scales_stand_for() {
    let dump = Dump::open("float8");
    for scheme in SCHEMES {
        let weights = Weights::from(weights(&dump, scheme)).with_block_size(BLOCK);
        let model = load(&dump, weights).unwrap();
        let logits = model.logits(dump.array("tokens"), &mut KvCache::off());
        close(
            scheme,
            &logits.unwrap(),
            dump.array(&format!("{scheme}.logits")),
            1e-5,
        );
    }
}

#[test]
fn scales_that_do_not_fit_are_refused() {
    let dump = Dump::open("float8");
    let refused = |change: &dyn Fn(&mut HashMap<String, Array>)| {
        let mut all = weights(&dump, "tensor");
        change(&mut all);
        let e = load(&dump, all.into()).err().unwrap();
        assert_eq!(e.kind(), ErrorKind::Format);
        e.to_string()
    };
    let stem = "model.layers.0.self_attn.q_proj.weight";
    let ones = |shape: &[i32]| mlx_runtime::ops::ones(shape, Dtype::Float32).unwrap();
    let put = |name: &str, a: Array| {
        let name = name.to_owned();
        move |all: &mut HashMap<String, Array>| {
            all.insert(name.clone(), a.clone());
        }
    };
    let e = refused(&put(&format!("{stem}_scale"), ones(&[5, 3])));
    assert!(
        e.contains(&format!("{stem}_scale")) && e.contains("[5, 3]"),
        "{e}"
    );
    let e = refused(&put(&format!("{stem}_zero_point"), ones(&[1])));
    assert!(e.contains("weight_zero_point"), "{e}");
    // Bytes are no weights, with a scale or without.
    let bytes = mlx_runtime::ops::zeros(&[32, 32], Dtype::Uint8).unwrap();
    let e = refused(&put(stem, bytes.clone()));
    assert!(e.contains(stem) && e.contains("Uint8"), "{e}");
    let e = refused(&|all| {
        all.remove(&format!("{stem}_scale"));
        all.insert(stem.to_owned(), bytes.clone());
    });
    assert!(e.contains(stem) && e.contains("Uint8"), "{e}");
}
