//! The forms that passes make: gated units and losses in a model of their own, the others in a layer of a Llama. Each pass
//! must have made one of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_macros_core::{analyse, fuse};
use mlx_models::llama::Block;
use mlx_runtime::__private::Definition;
use mlx_runtime::model::{add_lora, init, load, LoadOptions, LoraConfig, Model, Quantization};
use mlx_runtime::nn::{KvCache, Linear};
use mlx_runtime::random::Key;
use mlx_runtime::{Array, Dtype, Result};
use mlx_tests::Config;
use syn::Item;

use crate::{check_charges, computed, evaluated, kept, normal, on, Method};

/// Items, and their text.
macro_rules! with_source {
    ($($items:tt)*) => {
        $($items)*
        const SOURCE: &str = stringify!($($items)*);
    };
}

with_source! {
    #[mlx_model(config = Config, fuse(except(kernels)))]
    struct Passes {
        #[param(hidden, hidden)]
        gate: Linear,
        #[param(hidden, hidden)]
        up: Linear,
        #[param(hidden, hidden)]
        head: Linear,
    }

    #[mlx_model]
    impl Passes {
        fn swiglu(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
            negative(silu(self.gate(x)) * self.up(x))
        }

        fn geglu(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
            negative(gelu_approx(self.gate(x)) * self.up(x))
        }

        fn loss(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
            let targets = stop_gradient(argmax(x, -1));
            negative(x + expand_dims(cross_entropy(self.head(x), targets), 1).astype(float))
        }

        fn capped(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
            let targets = stop_gradient(argmax(x, -1));
            let z = tanh(self.head(x) / 2.5) * 2.5;
            negative(x + expand_dims(cross_entropy(z, targets), 1).astype(float))
        }
    }
}

#[test]
fn gated_units_and_losses_keep_what_they_are_charged() -> Result<()> {
    let methods: &[(&str, Method<Passes>)] = &[
        ("swiglu", Passes::swiglu),
        ("geglu", Passes::geglu),
        ("loss", Passes::loss),
        ("capped", Passes::capped),
    ];
    check_charges(methods)
}

/// A layer of a Llama has the others: norms with the sum before them, joined projections, attention with its rotation, the
/// gated unit, adapters, packed weights.
#[test]
fn a_layer_keeps_what_it_is_charged() -> Result<()> {
    const ROWS: i32 = 256;
    let config = mlx_models::Config::parse(
        r#"{"model_type": "llama", "hidden_size": 128, "intermediate_size": 384, "num_attention_heads": 4,
            "num_key_value_heads": 2, "num_hidden_layers": 1, "vocab_size": 8, "rms_norm_eps": 1e-5}"#,
    )
    .unwrap();
    let config = Arc::new(config);
    for (adapted, packed) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut layer: Block = init(&config, Key::new(3)?, Dtype::Float32)?;
        if packed {
            let weights: HashMap<String, Array> = layer.parameters().into_iter().collect();
            let how = Quantization::Affine {
                bits: 4,
                group_size: 64,
            };
            let options = LoadOptions::new(Dtype::Float32).quantize(how);
            layer = load(&config, weights.into(), &options)?;
        }
        layer.freeze();
        if adapted {
            let lora = LoraConfig {
                rank: 2,
                scale: 1.5,
                keys: vec!["self_attn.q_proj".to_string(), "mlp.down_proj".to_string()],
                num_layers: -1,
                ..LoraConfig::default()
            };
            add_lora(&mut layer, &lora, &Key::new(5)?)?;
        }
        evaluated(&layer)?;
        let mut inputs = vec![normal(&[1, ROWS, 128], 1)?];
        inputs.extend(layer.trainable().into_iter().map(|(_, a)| a));
        assert_eq!(inputs.len() > 1, adapted);
        for fused in [true, false] {
            let model = layer.clone();
            let step = move |x: &Array, trained: &[Array]| {
                let mut model = model.clone();
                model.set_trainable(trained)?;
                model.forward(x, &mut KvCache::off())
            };
            let array = f64::from(ROWS * 128);
            let kept = on(fused, || kept(&inputs, 4.0 * array, step))?;
            let sizes: &[&[i64]] = &[&[1, i64::from(ROWS), 128]];
            let charged = layer.saved("forward", sizes, &computed(fused)).values as f64 / array;
            assert!(
                (charged - kept).abs() < 0.1 * kept,
                "adapted: {adapted}, packed: {packed}, fused: {fused}: {charged:.2} charged, {kept:.2} kept"
            );
        }
    }
    Ok(())
}

/// The passes that rewrote a graph of one of the models in a file.
fn passes(source: &str, models: &[&str]) -> BTreeSet<&'static str> {
    let mut structs = BTreeMap::new();
    let mut found = BTreeSet::new();
    for item in syn::parse_file(source).unwrap().items {
        match item {
            Item::Struct(mut s) => {
                let at = s.attrs.iter().position(|a| a.path().is_ident("mlx_model"));
                let attribute = s.attrs.remove(at.unwrap());
                let arguments = attribute.meta.require_list().unwrap().tokens.clone();
                structs.insert(s.ident.to_string(), (arguments, s));
            }
            Item::Impl(i) => {
                let syn::Type::Path(name) = &*i.self_ty else {
                    panic!("an impl of something else than a model");
                };
                let name = name.path.require_ident().unwrap().to_string();
                if models.contains(&&name[..]) {
                    let (arguments, item) = structs[&name].clone();
                    let whole = analyse(arguments, item, &i).unwrap_or_else(|_| panic!("{name}"));
                    for graph in &whole.graphs {
                        let fused = graph.fused.values();
                        found.extend(fused.flat_map(|f| f.passes.iter().copied()));
                        // It moves no node, and so is not among the passes that did.
                        found.extend(
                            (0..graph.joins.len())
                                .any(|group| graph.is_read_whole(group))
                                .then_some("whole"),
                        );
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// A new pass needs a form that is measured.
#[test]
fn every_pass_has_a_form() {
    let llama = include_str!("../../../examples/models/src/llama.rs");
    let mut found = passes(SOURCE, &["Passes"]);
    found.extend(passes(llama, &["Attention", "Mlp", "Block"]));
    // They remove nodes, and make none.
    let removing = ["dead_code", "common_subexpressions"];
    let missing: Vec<&str> = fuse::names()
        .into_iter()
        .filter(|name| !found.contains(name) && !removing.contains(name))
        .collect();
    assert!(missing.is_empty(), "no form of {missing:?} is measured");
}
