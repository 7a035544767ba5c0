//! The phases on the Llama of the example, from its own source file: what the graphs are, that
//! each fusion really fires, and what the layers are said to keep.

use std::collections::BTreeMap;

use mlx_macros_core::lower::{self, define};
use mlx_macros_core::plan::checkpoint;
use mlx_macros_core::report::{self, explain};
use mlx_macros_core::{analyse, Whole};
use quote::ToTokens;
use syn::{Item, ItemImpl, ItemStruct};

const SOURCE: &str = include_str!("../../../examples/models/src/llama.rs");
/// The folder in which the model's own build finds its digest.
const CRATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models");

fn attribute(attrs: &[syn::Attribute]) -> Option<proc_macro2::TokenStream> {
    let a = attrs.iter().find(|a| a.path().is_ident("mlx_model"))?;
    Some(match &a.meta {
        syn::Meta::List(l) => l.tokens.clone(),
        _ => Default::default(),
    })
}

fn models() -> BTreeMap<String, Whole> {
    std::env::set_var("CARGO_MANIFEST_DIR", CRATE);
    let file = syn::parse_file(SOURCE).unwrap();
    let mut structs: BTreeMap<String, (proc_macro2::TokenStream, ItemStruct)> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for item in file.items {
        match item {
            Item::Struct(mut s) => {
                if let Some(attr) = attribute(&s.attrs) {
                    s.attrs.retain(|a| !a.path().is_ident("mlx_model"));
                    structs.insert(s.ident.to_string(), (attr, s));
                }
            }
            Item::Impl(i) if attribute(&i.attrs).is_some() => {
                let name = i.self_ty.to_token_stream().to_string();
                let (attr, item) = structs[&name].clone();
                found.insert(name, whole(attr, item, &i));
            }
            _ => {}
        }
    }
    found
}

fn whole(attr: proc_macro2::TokenStream, item: ItemStruct, methods: &ItemImpl) -> Whole {
    analyse(attr, item, methods).unwrap_or_else(|(errors, _)| {
        let texts: Vec<String> = errors.iter().map(|e| e.text()).collect();
        panic!("{}", texts.join("\n"))
    })
}

#[test]
fn graphs() {
    let mut text = String::new();
    for (name, w) in models() {
        for (m, g) in w.methods.iter().zip(&w.graphs) {
            text += &report::text(&format!("{name}::{}", m.name), g, &w.model.names);
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn fusions_fire() {
    let all = models();
    let text = |name: &str| report::text(name, &all[name].graphs[0], &all[name].model.names);
    assert!(text("Attention").contains("rope_attention"));
    assert_eq!(text("Attention").matches("joined 0").count(), 3);
    assert_eq!(text("Mlp").matches("joined 0").count(), 2);
    assert!(text("Block").contains("kernel add_rms_norm(%0, %3, %5)"));
    assert!(text("Mlp").contains("swiglu") && !text("Mlp").contains("silu"));
}

#[test]
fn saved_values_are_polynomials() {
    let all = models();
    let saved = |name: &str| {
        checkpoint::saved(
            &all[name].model,
            &all[name].graphs[0],
            checkpoint::Form::Kernels,
        )
    };
    let inputs = |name: &str| -> Vec<String> {
        let of = |(fields, size): &(std::collections::BTreeSet<String>, _)| {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            format!("{}: {size}", fields.join(" "))
        };
        saved(name).inputs.iter().map(of).collect()
    };
    let (x, q, kv, ffn) = (
        "B*L*hidden_size",
        "B*L*head_dim*num_attention_heads",
        "B*L*head_dim*num_key_value_heads",
        "B*L*intermediate_size",
    );
    // Rotated queries and keys, values; x and the result only for what is trained.
    assert_eq!(
        saved("Attention").values.to_string(),
        format!("{q} + 2*{kv}")
    );
    assert_eq!(
        saved("Attention").scores.to_string(),
        "B*L*L*num_attention_heads"
    );
    assert_eq!(
        inputs("Attention"),
        [format!("k_proj q_proj v_proj: {x}"), format!("o_proj: {q}")]
    );
    // Gate and up: the gradient of its own computes the rest again.
    assert_eq!(saved("Mlp").values.to_string(), format!("2*{ffn}"));
    assert_eq!(
        inputs("Mlp"),
        [
            format!("gate_proj up_proj: {x}"),
            format!("down_proj: {ffn}")
        ]
    );
    // Both norms' inputs, and a number of each row of the sum; the sub-models count their own.
    assert_eq!(saved("Block").values.to_string(), format!("B*L + 2*{x}"));
    assert_eq!(saved("Block").calls.len(), 2);
}

#[test]
fn output_is_linear_in_the_body_and_holds_no_unsafe() {
    for (name, w) in models() {
        let mut hidden = lower::checkpoint::saved_by_method(&w.model, &w.methods, &w.graphs);
        hidden.extend(explain::outline(&w.model, &w.methods, &w.graphs));
        let mut out = define::model_impl(&w.model, &w.methods, &[], &hidden).to_string();
        for (m, g) in w.methods.iter().zip(&w.graphs) {
            out += &lower::method(&w.model, m, g).to_string();
        }
        assert!(!out.contains("unsafe"), "{name}");
        // An editor would list it among the model's methods.
        assert!(!out.contains("fn __"), "{name}");
        let nodes: usize = w.graphs.iter().map(|g| g.nodes.len()).sum();
        assert!(
            out.len() < 10_000 + 1_000 * nodes,
            "{name}: {} bytes for {nodes} nodes",
            out.len()
        );
    }
}

#[test]
fn the_reference_lists_every_operation() {
    let reference = include_str!("../../../docs/language.md");
    for op in mlx_macros_core::ops::OPS {
        let listed = [format!("`{}`", op.name), format!("`{}(", op.name)];
        assert!(
            listed.iter().any(|l| reference.contains(l)),
            "docs/language.md lacks `{}`",
            op.name
        );
    }
}
