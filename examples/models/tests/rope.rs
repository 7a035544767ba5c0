//! Scaled rotations beside transformers' numbers, and models that have them beside mlx-lm. `dump_rope.py` writes the
//! dumps.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{close, on_gpu, Dump};
use mlx_models::{dispatch, CausalLm, Config, Family, Visitor};
use mlx_runtime::model::{self, LoadOptions};
use mlx_runtime::nn::{KvCache, Rope, RopeScaling};
use mlx_runtime::{kernels, ops, transforms, Array, Dtype, ErrorKind};
use serde_json::{json, Value};

type Cases = BTreeMap<String, (Value, Vec<i32>)>;

fn cases(dump: &Dump) -> Cases {
    serde_json::from_str(&dump.cases).unwrap()
}

/// Cosines and sines of the positions of a text, by a rotation of ones and zeros.
fn rotated(rope: &Rope, length: i32, dims: i32) -> Vec<f32> {
    let row: Vec<f32> = (0..dims)
        .map(|i| f32::from(u8::from(i < dims / 2)))
        .collect();
    let x = Array::from_slice(&row, &[1, 1, 1, dims]).unwrap();
    let x = ops::broadcast_to(&x, &[1, 1, length, dims]).unwrap();
    let y = rope.forward(&x, &mut KvCache::off()).unwrap();
    y.to_vec::<f32>().unwrap()
}

#[test]
fn every_kind_of_scaling_has_transformers_angles() {
    let dump = Dump::open("rope");
    for (name, (config, lengths)) in cases(&dump) {
        let config = Config::parse(&config.to_string()).unwrap();
        let ropes = match config.family {
            Family::Gemma3 => vec![
                (".full_attention", config.rope_theta, &config.rope_scaling),
                (
                    ".sliding_attention",
                    config.rope_local_base_freq,
                    &config.rope_local_scaling,
                ),
            ],
            _ => vec![("", config.rope_theta, &config.rope_scaling)],
        };
        let dims = config.rotary_dim as i32;
        for (layer, theta, scaling) in ropes {
            let rope = Rope::new(dims, theta, false, scaling.as_ref()).unwrap();
            for length in &lengths {
                let what = format!("angles.{name}.{length}{layer}");
                let mut inverse = dump.floats(&what);
                let factor = inverse.pop().unwrap();
                assert_eq!(inverse.len(), dims as usize / 2, "{what}");
                let found = rotated(&rope, *length, dims);
                for (at, row) in found.chunks(dims as usize).enumerate() {
                    let (cosines, sines) = row.split_at(inverse.len());
                    for (i, freq) in inverse.iter().enumerate() {
                        let angle = f64::from(*freq) * at as f64;
                        let wanted = [angle.cos(), angle.sin()].map(|x| x * f64::from(factor));
                        let apart = (f64::from(cosines[i]) - wanted[0])
                            .abs()
                            .max((f64::from(sines[i]) - wanted[1]).abs());
                        assert!(apart < 3e-6, "{what}: pair {i} at {at} is {apart:e} apart");
                    }
                }
            }
        }
    }
}

struct Logits<'a>(&'a Dump, Config, i32);

impl Visitor for Logits<'_> {
    type Output = [Array; 2];

    /// Of the whole text at once, and token after token.
    fn visit<M: CausalLm>(self) -> [Array; 2] {
        let Logits(dump, config, length) = self;
        let weights = dump.under(&format!("weight.{}.", config.family.model_type()));
        let options = LoadOptions::new(Dtype::Float32);
        let model: M = model::load(&Arc::new(config), weights.into(), &options).unwrap();
        let cut = |from: i32, to: i32| {
            ops::slice(dump.array("tokens"), &[0, from], &[2, to], &[1, 1]).unwrap()
        };
        let whole = model.logits(&cut(0, length), &mut KvCache::off()).unwrap();
        let (mut cache, mut parts) = (KvCache::new(), Vec::new());
        for at in 0..length {
            parts.push(match cache.outgrown_by(1) {
                false => model.logits(&cut(at, at + 1), &mut cache).unwrap(),
                true => {
                    cache = KvCache::new();
                    let all = model.logits(&cut(0, at + 1), &mut cache).unwrap();
                    ops::take(&all, &Array::from_slice(&[at], &[1]).unwrap(), 1).unwrap()
                }
            });
        }
        let parts = ops::concatenate(&parts.iter().collect::<Vec<_>>(), 1).unwrap();
        transforms::eval(&[&whole, &parts]).unwrap();
        [whole, parts]
    }
}

#[test]
fn models_with_scaled_rotations_compute_what_mlx_lm_computes() {
    let dump = Dump::open("rope");
    let mut compared = 0;
    for (name, (config, lengths)) in cases(&dump) {
        for length in lengths {
            let what = format!("logits.{name}.{length}");
            let Some(theirs) = dump.find(&what) else {
                continue;
            };
            compared += 1;
            let check = |way: &str| {
                let config = Config::parse(&config.to_string()).unwrap();
                let [whole, parts] = dispatch(config.family, Logits(&dump, config, length));
                close(&format!("{what}, {way}"), &whole, theirs, 1e-5);
                // The last token of a text sees the same keys, except that keys in a cache keep their first rotation.
                let last = |a: &Array| {
                    ops::slice(a, &[0, length - 1, 0], &[2, length, 16], &[1; 3]).unwrap()
                };
                if name != "dynamic" || length == 5 {
                    close(
                        &format!("{what}, {way}, cached"),
                        &last(&parts),
                        &last(theirs),
                        1e-5,
                    );
                }
            };
            check("fused");
            if !on_gpu() {
                kernels::without(|| check("composed"));
            }
        }
    }
    assert_eq!(compared, 10);
}

#[test]
fn a_cache_is_not_continued_past_the_length_where_the_factors_change() {
    let scaling = RopeScaling::LongRope {
        long_factors: vec![2.0],
        short_factors: vec![1.0],
        original_max_position_embeddings: 3,
        magnitude: 1.0,
    };
    let rope = Rope::new(2, 100.0, false, Some(&scaling)).unwrap();
    let heads = |n: i32| ops::ones(&[1, 1, n, 2], Dtype::Float32).unwrap();
    let mut cache = KvCache::new();
    let feed = |n: i32, cache: &mut KvCache| {
        let k = rope.forward(&heads(n), cache)?;
        cache.update(&k, &heads(n)).map(|_| ())
    };
    feed(2, &mut cache).unwrap();
    assert!(!cache.outgrown_by(1) && cache.outgrown_by(2));
    let e = feed(2, &mut cache).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    assert!(e.to_string().contains("more than 3 tokens") && e.hint().is_some());
    let mut cache = KvCache::new();
    feed(4, &mut cache).unwrap();
    assert!(!cache.outgrown_by(5));
    feed(1, &mut cache).unwrap();
}

#[test]
fn kinds_and_numbers_that_are_none_are_refused_by_name() {
    let parse = |key: &str, scaling: Value| {
        let mut config = json!({
            "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 12,
            "num_attention_heads": 2, "vocab_size": 16, "max_position_embeddings": 64,
        });
        config[key] = scaling;
        let e = Config::parse(&config.to_string()).map(|c| c.rope_scaling);
        format!("{:#}", e.unwrap_err())
    };
    for (scaling, says) in [
        (
            json!({"type": "mrope", "mrope_section": [2, 3, 3]}),
            "\"mrope\"",
        ),
        (json!({"rope_type": "proportional"}), "\"proportional\""),
        (json!({"rope_type": "Yarn", "factor": 2.0}), "\"Yarn\""),
        (json!({"rope_type": 3, "factor": 2.0}), "expected a string"),
        (json!({"rope_type": "linear"}), "factor is missing"),
        (
            json!({"rope_type": "yarn", "factor": "4"}),
            "factor is \"4\"",
        ),
        (
            json!({"rope_type": "llama3", "factor": 8.0}),
            "low_freq_factor is missing",
        ),
        (
            json!({"rope_type": "longrope", "long_factor": [1.0]}),
            "short_factor is missing",
        ),
        (json!([1, 2]), "expected an object"),
    ] {
        for key in ["rope_scaling", "rope_parameters"] {
            let e = parse(key, scaling.clone());
            assert!(e.contains(says), "{key} {scaling}: {e}");
        }
    }
    let nested = json!({
        "full_attention": {"rope_type": "linear", "factor": 2.0},
        "sliding_attention": {"rope_type": "default"},
    });
    let e = parse("rope_parameters", nested);
    assert!(e.contains("sliding layers"), "{e}");
}
