//! Configs as transformers writes them, and refused ones. `dump_configs.py` writes the former.

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
        "num_experts_per_tok",
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
    let oss = default(Family::GptOss);
    assert_eq!(
        (oss.sliding_window, oss.sliding_window_pattern),
        (Some(128), 2)
    );
    assert!(oss.rope_theta == 1.5e5 && oss.attention_bias);
    let scaled = json!({"rope_scaling": {"type": "yarn", "factor": 40.0, "mscale_all_dim": 0.707}});
    let deepseek = parse(&with(Family::DeepseekV2, scaled));
    assert_eq!((deepseek.head_dim, deepseek.num_local_experts), (64, 64));
    let none =
        json!({"rope_scaling": {"type": "default", "factor": 40.0, "mscale_all_dim": 0.707}});
    let plain = parse(&with(Family::DeepseekV2, none)).attention_scale;
    assert!((plain - 192f32.powf(-0.5)).abs() < 1e-7);
    // 0.1 * 0.707 * ln(40) + 1, squared, over the root of 192.
    assert!((deepseek.attention_scale - 0.114_721_4).abs() < 1e-6);
    assert_eq!(default(Family::Mixtral).head_dim, 128);
    // A window that a family never uses counts as none.
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
    refused(
        Family::DeepseekV2,
        json!({"topk_method": "group_limited_greedy"}),
        &["topk_method", "group_limited_greedy", "greedy"],
    );
    refused(
        Family::DeepseekV2,
        json!({"n_routed_experts": 4}),
        &["num_experts_per_tok is 6", "4"],
    );
}

#[test]
fn no_more_of_a_head_rotates_than_there_is() {
    let mut config = parse(&with(Family::Phi3, json!({"vocab_size": 8})));
    (config.num_hidden_layers, config.rotary_dim) = (1, 98);
    let key = Key::new(0).unwrap();
    let loaded = init::<Phi3>(&Arc::new(config), key, Dtype::Float32);
    let text = loaded.err().unwrap().to_string();
    assert!(
        text.contains("at most head_dim = 96 rotated values, found rotary_dim = 98"),
        "{text}"
    );
}

/// Values that no model can have are refused when the file is read. The message names field, value and the expected
/// values.
#[test]
fn values_outside_their_range_or_of_another_type() {
    use Family::{
        DeepseekV2, Gemma2, Gemma3, Gpt2, GptOss, Llama, Mistral, Mixtral, Phi3, Qwen3Moe,
    };
    let size = "a whole number from 1 to 16777216";
    for (family, field, values, expected) in [
        (
            Llama,
            "hidden_size",
            json!([0, -1, 24.7, 4096.0, true, "4096", null, 1u64 << 40, [1]]),
            size,
        ),
        (
            Llama,
            "num_hidden_layers",
            json!([0, -3, 2_000_000_000, "32"]),
            "from 1 to 10000",
        ),
        (Llama, "intermediate_size", json!([0, -1, 1.5, null]), size),
        (Llama, "num_attention_heads", json!([0, -1, false]), size),
        (Llama, "num_key_value_heads", json!([0, -8, 8.0]), size),
        (Llama, "head_dim", json!([0, -128, "128"]), size),
        (Llama, "vocab_size", json!([0, -1, 1e30]), size),
        (
            Llama,
            "max_position_embeddings",
            json!([0, -1, 4e9, null]),
            "a whole number from 1 to 2147483647",
        ),
        (
            Llama,
            "rms_norm_eps",
            json!([-1, 0, 1, 1e-50, "1e-5", true, null]),
            "above 0 and below 1",
        ),
        (
            Llama,
            "rope_theta",
            json!([0, -10000, 1, 1e39, "1e4"]),
            "a finite number above 1",
        ),
        (
            Llama,
            "tie_word_embeddings",
            json!([1, "true", null]),
            "true or false",
        ),
        (
            Llama,
            "attention_bias",
            json!([0, "false"]),
            "true or false",
        ),
        (Llama, "hidden_act", json!([1, null]), "a string"),
        (
            Llama,
            "layer_types",
            json!([1, [1], ["linear_attention"]]),
            "expected",
        ),
        (
            Phi3,
            "partial_rotary_factor",
            json!([0, -0.5, 1.5, "0.5"]),
            "above 0 and at most 1",
        ),
        (
            Mistral,
            "sliding_window",
            json!([0, -1, 0.5]),
            "a whole number from 1 to 2147483647",
        ),
        (
            Gemma3,
            "sliding_window_pattern",
            json!([0, -6, null]),
            "a whole number from 1 to 10000",
        ),
        (
            Gemma2,
            "attn_logit_softcapping",
            json!([0, -50, null, 1e39]),
            "a finite number above 0",
        ),
        (
            Gemma2,
            "final_logit_softcapping",
            json!([0, -30, "30"]),
            "a finite number above 0",
        ),
        (
            Gemma2,
            "query_pre_attn_scalar",
            json!([0, -256, null]),
            "a finite number above 0",
        ),
        (
            Gemma3,
            "rope_local_base_freq",
            json!([0, -1]),
            "a finite number above 1",
        ),
        (
            Mixtral,
            "num_experts_per_tok",
            json!([0, -2, 2.0]),
            "a whole number from 1 to 4096",
        ),
        (
            Mixtral,
            "num_local_experts",
            json!([0, "8"]),
            "a whole number from 1 to 4096",
        ),
        (Qwen3Moe, "moe_intermediate_size", json!([0, -768]), size),
        (
            Qwen3Moe,
            "decoder_sparse_step",
            json!([0, -1]),
            "a whole number from 1 to 10000",
        ),
        (Qwen3Moe, "norm_topk_prob", json!([1]), "true or false"),
        (GptOss, "swiglu_limit", json!([0, -7, null]), "above 0"),
        (DeepseekV2, "kv_lora_rank", json!([0, -1, null]), size),
        (DeepseekV2, "q_lora_rank", json!([0, "1536"]), size),
        (
            DeepseekV2,
            "n_shared_experts",
            json!([0, null]),
            "a whole number from 1 to 4096",
        ),
        (
            DeepseekV2,
            "first_k_dense_replace",
            json!([-1, 0.5]),
            "a whole number from 0 to 10000",
        ),
        (Gpt2, "n_head", json!([0, -12]), size),
        (
            Gpt2,
            "layer_norm_epsilon",
            json!([0, -1e-5]),
            "above 0 and below 1",
        ),
    ] {
        let name = match field {
            "n_head" => "num_attention_heads",
            "layer_norm_epsilon" => "rms_norm_eps",
            other => other,
        };
        for value in values.as_array().unwrap() {
            let shown = value.to_string();
            let value = [name, if value.is_array() { "" } else { &shown }, expected];
            refused(
                family,
                json!({field: shown.parse::<Value>().unwrap()}),
                &value,
            );
        }
    }
}

#[test]
fn numbers_that_do_not_fit_together() {
    use Family::{Gemma3, Gpt2, Llama, Mixtral, Phi3};
    for (family, changes, words) in [
        (
            Llama,
            json!({"hidden_size": 4095, "head_dim": null}),
            ["hidden_size is 4095", "num_attention_heads, 32"],
        ),
        (
            Llama,
            json!({"num_key_value_heads": 5}),
            ["num_attention_heads is 32", "num_key_value_heads, 5"],
        ),
        (Llama, json!({"head_dim": 127}), ["head_dim is 127", "even"]),
        (Llama, json!({"head_dim": 16777216}), ["32", "16777216"]),
        (
            Phi3,
            json!({"rope_parameters": {"partial_rotary_factor": 0.01}}),
            ["partial_rotary_factor", "even"],
        ),
        (
            Gpt2,
            json!({"n_embd": 770}),
            ["hidden_size is 770", "num_attention_heads, 12"],
        ),
        (
            Mixtral,
            json!({"num_experts_per_tok": 9}),
            ["num_experts_per_tok is 9", "8"],
        ),
        (
            Gemma3,
            json!({"attn_logit_softcapping": 50.0}),
            ["attn_logit_softcapping", "gemma3"],
        ),
        (
            Gpt2,
            json!({"scale_attn_weights": false}),
            ["scale_attn_weights", "gpt2"],
        ),
        (
            Gpt2,
            json!({"hidden_size": 12}),
            ["hidden_size and n_embd", "768"],
        ),
        (
            Llama,
            json!({"layer_types": ["full_attention"]}),
            ["layer_types lists 1", "32"],
        ),
    ] {
        refused(family, changes, &words);
    }
    for (scaling, words) in [
        (
            json!({"type": "linear", "factor": 0}),
            ["factor is 0", "above 0"],
        ),
        (
            json!({"type": "linear", "factor": "8"}),
            ["factor is \"8\"", "above 0"],
        ),
        (json!({"type": 3}), ["type is 3", "a string"]),
        (json!("linear"), ["rope_scaling", "an object"]),
        (
            json!({"type": "longrope", "long_factor": [1, -1]}),
            ["long_factor", "-1"],
        ),
        (
            json!({"full_attention": {"rope_theta": -1}}),
            ["rope_theta is -1", "above 1"],
        ),
    ] {
        refused(Family::Llama, json!({"rope_scaling": scaling}), &words);
    }
}

#[test]
fn numbers_as_python_writes_them_and_keys_that_come_twice() {
    let text = with(Family::Llama, json!({"head_dim": null})).to_string();
    let put = |what: &str| format!("{}, {what}}}", text.strip_suffix('}').unwrap());
    for (what, words) in [
        ("\"rope_theta\": NaN", ["rope_theta is NaN", "above 1"]),
        (
            "\"rope_theta\": Infinity",
            ["rope_theta is Infinity", "above 1"],
        ),
        ("\"rope_theta\": 1e999", ["rope_theta is 1e999", "above 1"]),
        (
            "\"rope_theta\": 1e4, \"rope_theta\": 1e4",
            ["\"rope_theta\"", "twice"],
        ),
        ("\"hidden_size\": 8", ["\"hidden_size\"", "twice"]),
    ] {
        let error = format!("{:#}", Config::parse(&put(what)).unwrap_err());
        for word in words {
            assert!(error.contains(word), "{what}: {error}");
        }
    }
    // Keys that no model here reads may have any value.
    let unread =
        put("\"time_step_limit\": [0.0, Infinity], \"num_experts_per_tok\": -1, \"n_head\": 3");
    let unread = unread.replace("\"n_head\": 3", "\"moe_intermediate_size\": NaN");
    assert_eq!(
        Config::parse(&unread).unwrap(),
        Config::parse(&text).unwrap()
    );
}
