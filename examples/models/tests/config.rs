//! Configs as transformers writes them, and what is refused. `dump_configs.py` writes the former.

use std::sync::Arc;

use mlx_models::phi3::Phi3;
use mlx_models::{Config, Family};
use mlx_runtime::model::init;
use mlx_runtime::nn::RopeScaling;
use mlx_runtime::random::Key;
use mlx_runtime::Dtype;
use serde_json::{json, Map, Value};

fn written() -> Map<String, Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/configs.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn parse(config: &Value) -> Config {
    Config::parse(&config.to_string()).unwrap()
}

/// The default config of that family, changed.
fn with(family: Family, changes: Value) -> Value {
    let mut config = written()[family.model_type()].clone();
    let changes = changes.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(changes);
    config
}

#[track_caller]
fn refused(family: Family, changes: Value, words: &[&str]) {
    let error = Config::parse(&with(family, changes).to_string()).unwrap_err();
    let text = format!("{error:#}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

#[test]
fn what_a_file_leaves_out_is_as_in_transformers() {
    let sizes = [
        "model_type",
        "hidden_size",
        "n_embd",
        "num_hidden_layers",
        "n_layer",
        "num_attention_heads",
        "n_head",
        "intermediate_size",
        "vocab_size",
    ];
    let written = written();
    assert_eq!(written.len(), Family::ALL.len());
    for family in Family::ALL {
        let whole = &written[family.model_type()];
        let mut short = whole.clone();
        let keys = short.as_object_mut().unwrap();
        keys.retain(|key, _| sizes.contains(&key.as_str()));
        assert!(keys.len() >= 5);
        assert_eq!(parse(&short), parse(whole), "{family:?}");
        assert_eq!(parse(whole).family, *family);
    }
}

#[test]
fn constants_of_the_families() {
    let default = |family| parse(&with(family, json!({})));
    let gemma = default(Family::Gemma3);
    assert_eq!(
        (gemma.sliding_window, gemma.sliding_window_pattern),
        (Some(4096), 6)
    );
    assert_eq!((gemma.rope_theta, gemma.rope_local_base_freq), (1e6, 1e4));
    assert_eq!(
        (gemma.attention_scale, gemma.embedding_scale),
        (0.0625, 48.0)
    );
    assert_eq!(default(Family::Gemma2).final_logit_softcapping, Some(30.0));
    assert_eq!(default(Family::Gemma2).sliding_window_pattern, 2);
    assert_eq!(default(Family::Gpt2).intermediate_size, 4 * 768);
    assert_eq!(default(Family::Mixtral).head_dim, 128);
    // A window that a family never uses is none.
    assert_eq!(
        parse(&with(Family::Qwen2, json!({"sliding_window": 7}))).sliding_window,
        None
    );
    // The next bfloat16.
    let wide = parse(&with(Family::Gemma3, json!({"hidden_size": 1152})));
    assert_eq!(wide.embedding_scale, 34.0);
}

#[test]
fn rotations_in_both_spellings() {
    let old = json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}});
    let new = json!({"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 4.0}});
    for change in [old, new] {
        let config = parse(&with(Family::Llama, change));
        assert_eq!(config.rope_theta, 5e5);
        assert_eq!(
            config.rope_scaling,
            Some(RopeScaling::Linear { factor: 4.0 })
        );
    }
}

#[test]
fn what_the_models_would_do_differently_is_refused() {
    refused(
        Family::Llama,
        json!({"model_type": "mamba"}),
        &["mamba", "gemma3_text"],
    );
    refused(Family::Llama, json!({"model_type": null}), &["model_type"]);
    refused(
        Family::Llama,
        json!({"hidden_act": "gelu"}),
        &["gelu", "silu"],
    );
    refused(
        Family::Gemma2,
        json!({"hidden_activation": "silu"}),
        &["silu", "gelu"],
    );
    refused(
        Family::Llama,
        json!({"partial_rotary_factor": 0.75}),
        &["partial_rotary_factor", "0.75"],
    );
    let part = json!({"rope_parameters": {"partial_rotary_factor": 1.5}});
    refused(Family::Phi3, part, &["partial_rotary_factor", "1.5"]);
    let long = json!({"rope_scaling": {"type": "longrope"}});
    refused(Family::Phi3, long, &["rope_scaling", "long_factor"]);
    // Phi 3 once called it so.
    let other = json!({"rope_scaling": {"type": "yarn"}});
    refused(Family::Phi3, other, &["rope_scaling", "long_factor"]);
    refused(
        Family::Qwen2,
        json!({"use_sliding_window": true}),
        &["window", "qwen2"],
    );
    let types = json!(["full_attention", "sliding_attention"]);
    refused(
        Family::Llama,
        json!({"layer_types": types}),
        &["window", "llama"],
    );
    let types: Vec<_> = (0..26)
        .map(|i| {
            if i < 3 {
                "full_attention"
            } else {
                "sliding_attention"
            }
        })
        .collect();
    refused(
        Family::Gemma2,
        json!({"layer_types": types}),
        &["layer_types"],
    );
    refused(
        Family::Gpt2,
        json!({"scale_attn_by_inverse_layer_idx": true}),
        &["inverse"],
    );
    refused(
        Family::Mistral,
        json!({"num_key_value_heads": 5}),
        &["32", "5"],
    );
    refused(
        Family::Mistral,
        json!({"sliding_window": 0}),
        &["sliding_window", "0"],
    );
    refused(
        Family::Qwen3Moe,
        json!({"mlp_only_layers": [1]}),
        &["mlp_only_layers"],
    );
    refused(Family::Mixtral, json!({"vocab_size": null}), &["null"]);
}

#[test]
fn no_more_of_a_head_rotates_than_there_is() {
    let mut config = parse(&with(Family::Phi3, json!({"vocab_size": 8})));
    (config.num_hidden_layers, config.rotary_dim) = (1, 98);
    let key = Key::new(0).unwrap();
    let loaded = init::<Phi3>(&Arc::new(config), key, Dtype::Float32);
    let text = loaded.err().unwrap().to_string();
    assert!(text.contains("rotary_dim = 98 of head_dim = 96"), "{text}");
}
