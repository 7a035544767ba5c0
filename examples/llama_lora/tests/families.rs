//! The same commands on every language family: a tiny random checkpoint of each is trained, saved, loaded and queried.

#![allow(missing_docs)]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{write_model, Place, TRAIN};
use mlx_models::{dispatch, CausalLm, Config, Family, Visitor};
use mlx_runtime::model::init;
use mlx_runtime::{io, ops, random, Array, Dtype};
use serde_json::{json, Value};

/// The `config.json` of a tiny model.
fn config(family: Family) -> Value {
    let mut c = json!({
        "model_type": family.model_type(), "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 258, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "max_position_embeddings": 512, "eos_token_id": 257
    });
    match family {
        Family::Mixtral => {
            c["num_local_experts"] = json!(4);
            c["num_experts_per_tok"] = json!(2);
        }
        Family::Qwen3Moe => {
            c["num_experts"] = json!(4);
            c["num_experts_per_tok"] = json!(2);
            c["moe_intermediate_size"] = json!(32);
            c["decoder_sparse_step"] = json!(2);
        }
        Family::GptOss => {
            c["num_local_experts"] = json!(4);
            c["num_experts_per_tok"] = json!(2);
        }
        Family::DeepseekV2 => {
            for (name, n) in [
                ("n_routed_experts", 4),
                ("num_experts_per_tok", 2),
                ("moe_intermediate_size", 32),
                ("first_k_dense_replace", 1),
                ("q_lora_rank", 32),
                ("kv_lora_rank", 32),
                ("qk_nope_head_dim", 8),
                ("qk_rope_head_dim", 8),
                ("v_head_dim", 8),
            ] {
                c[name] = json!(n);
            }
        }
        Family::Gemma2 | Family::Gemma3 => c["query_pre_attn_scalar"] = json!(8),
        Family::Gpt2 => {
            c = json!({
                "model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 64, "vocab_size": 258,
                "n_positions": 512, "layer_norm_epsilon": 1e-5, "eos_token_id": 257
            });
        }
        _ => {}
    }
    c
}

/// Tensors under the names of a Hugging Face checkpoint.
struct Tensors(Arc<Config>);

impl Visitor for Tensors {
    type Output = HashMap<String, Array>;

    fn visit<M: CausalLm>(self) -> Self::Output {
        let key = random::key(7).unwrap();
        let model: M = init(&self.0, key, Dtype::Float32).unwrap();
        let mut all = HashMap::new();
        for (name, a) in model.parameters() {
            match (self.0.family, name.rsplit_once('.')) {
                // Stored `[in, out]`.
                (Family::Gpt2, Some((path, "weight")))
                    if path.contains("_attn") || path.contains("c_") =>
                {
                    all.insert(name.clone(), ops::transpose(&a, &[1, 0]).unwrap());
                }
                // Stored one by one.
                (family, Some((path, "weight"))) if path.contains("switch_mlp") => {
                    let (path, part) = path.split_once(".switch_mlp.").unwrap();
                    let part = match (family, part) {
                        (Family::Mixtral, "gate_proj") => "w1",
                        (Family::Mixtral, "down_proj") => "w2",
                        (Family::Mixtral, "up_proj") => "w3",
                        (_, part) => part,
                    };
                    for (e, one) in ops::split(&a, 4, 0).unwrap().iter().enumerate() {
                        let one = ops::squeeze(one, &[0]).unwrap();
                        all.insert(format!("{path}.experts.{e}.{part}.weight"), one);
                    }
                }
                _ => {
                    all.insert(name, a);
                }
            }
        }
        all
    }
}

fn write(place: &Place, family: Family) {
    let folder = place.path("model");
    write_model(&folder, 1);
    let text = config(family).to_string();
    std::fs::write(folder.join("config.json"), &text).unwrap();
    let config = Arc::new(Config::parse(&text).unwrap());
    let tensors: Vec<(String, Array)> = dispatch(family, Tensors(config)).into_iter().collect();
    io::save_safetensors(folder.join("model.safetensors"), &tensors, &HashMap::new()).unwrap();
}

fn loss(place: &Place, more: &str) -> f64 {
    let out = place.ok(&format!(
        "eval --model model --data data --mask-prompt {more}"
    ));
    let loss = out.split_whitespace().nth(2).unwrap().trim_end_matches(',');
    loss.parse().unwrap()
}

/// The layers that mlx-lm adapts if no keys are given.
fn keys(family: Family) -> Vec<&'static str> {
    match family {
        Family::Gpt2 => vec!["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"],
        Family::Phi3 => vec![
            "self_attn.qkv_proj",
            "self_attn.o_proj",
            "mlp.gate_up_proj",
            "mlp.down_proj",
        ],
        Family::DeepseekV2 => vec![
            "self_attn.q_a_proj",
            "self_attn.q_b_proj",
            "self_attn.kv_a_proj_with_mqa",
            "self_attn.kv_b_proj",
            "self_attn.o_proj",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
            "mlp.switch_mlp.gate_proj",
            "mlp.switch_mlp.up_proj",
            "mlp.switch_mlp.down_proj",
            "mlp.shared_experts.gate_proj",
            "mlp.shared_experts.up_proj",
            "mlp.shared_experts.down_proj",
        ],
        family => {
            let mut keys = vec![
                "self_attn.q_proj",
                "self_attn.k_proj",
                "self_attn.v_proj",
                "self_attn.o_proj",
            ];
            match family {
                Family::Mixtral => keys.extend([
                    "block_sparse_moe.gate",
                    "block_sparse_moe.switch_mlp.gate_proj",
                    "block_sparse_moe.switch_mlp.up_proj",
                    "block_sparse_moe.switch_mlp.down_proj",
                ]),
                Family::GptOss => keys.extend([
                    "mlp.router",
                    "mlp.experts.gate_proj",
                    "mlp.experts.up_proj",
                    "mlp.experts.down_proj",
                ]),
                _ => keys.extend(["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]),
            }
            if family == Family::Qwen3Moe {
                keys.extend([
                    "mlp.gate",
                    "mlp.switch_mlp.gate_proj",
                    "mlp.switch_mlp.up_proj",
                    "mlp.switch_mlp.down_proj",
                ]);
            }
            keys
        }
    }
}

fn learns(family: Family) {
    let place = Place::new();
    write(&place, family);
    let before = loss(&place, "");
    let steps = format!(
        "{TRAIN} --iters 3 --mask-prompt --batch-size 6 --lora-rank 4 --learning-rate 2e-2"
    );
    place.ok(&steps);
    let after = loss(&place, "--adapter-path adapters");
    assert!(after < before - 0.02, "{family:?}: {before} -> {after}");

    let text = std::fs::read_to_string(place.path("adapters/adapter_config.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    let mut found: Vec<&str> = config["lora_parameters"]["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut wanted = keys(family);
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{family:?}");

    // It goes on, writes, and can be packed; the adapter remembers nothing of that here.
    place.ok("train --resume --iters 4");
    place.ok("generate --adapter-path adapters --prompt hello --max-tokens 3");
    let packed = loss(
        &place,
        "--adapter-path adapters -q --q-bits 8 --q-group-size 32",
    );
    let dense = loss(&place, "--adapter-path adapters");
    assert!(
        packed != dense && (packed - dense).abs() < 0.05,
        "{family:?}: {packed} and {dense}"
    );
}

macro_rules! families {
    ($($name:ident $family:ident,)*) => {
        $(#[test]
        fn $name() {
            learns(Family::$family);
        })*

        #[test]
        fn every_family_has_a_test() {
            assert_eq!([$(Family::$family),*].as_slice(), Family::ALL);
        }
    };
}

families! {
    llama Llama,
    mistral Mistral,
    mixtral Mixtral,
    qwen2 Qwen2,
    qwen3 Qwen3,
    qwen3_moe Qwen3Moe,
    phi3 Phi3,
    gemma2 Gemma2,
    gemma3 Gemma3,
    gpt2 Gpt2,
    olmo2 Olmo2,
    gpt_oss GptOss,
    deepseek_v2 DeepseekV2,
}

#[test]
fn a_model_is_packed_while_it_trains_and_afterwards() {
    let place = Place::new();
    write(&place, Family::Llama);
    place.train("--q-bits 4 --q-group-size 32");
    let text = std::fs::read_to_string(place.path("adapters/adapter_config.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        config["quantize"],
        json!({"bits": 4, "group_size": 32, "mode": "affine"})
    );
    // By default it is packed as it was for training.
    let packed = loss(&place, "--adapter-path adapters");
    assert_eq!(
        packed,
        loss(
            &place,
            "--adapter-path adapters --q-bits 4 --q-group-size 32"
        )
    );
    assert_ne!(
        packed,
        loss(
            &place,
            "--adapter-path adapters --q-bits 2 --q-group-size 32"
        )
    );
    let mut losses = vec![packed];
    for mode in ["mxfp4", "mxfp8", "nvfp4"] {
        losses.push(loss(
            &place,
            &format!("--adapter-path adapters --q-mode {mode}"),
        ));
    }
    losses.dedup();
    assert_eq!(losses.len(), 4, "{losses:?}");
    for (flags, said) in [
        ("--q-bits 7", "--q-bits"),
        ("-q --q-group-size 48", "--q-group-size"),
        (
            "--q-mode mxfp4 --q-bits 8",
            "expected groups of 32 with 4 bits for mxfp4",
        ),
        ("--q-mode int4", "use one of affine, mxfp4, mxfp8, nvfp4"),
    ] {
        let error = place.fails(&format!("{TRAIN} {flags}"));
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_digest_is_written_of_every_family() {
    for &family in Family::ALL {
        let place = Place::new();
        write(&place, family);
        let text = place.ok("digest model");
        assert!(text.contains("config.hidden_size = 32\n"), "{text}");
        assert!(text.contains("{0..1}."), "{text}");
        place.ok("digest model --out model.txt");
        assert_eq!(
            std::fs::read_to_string(place.path("model.txt")).unwrap(),
            text
        );
    }
}

#[test]
fn every_family_can_be_drawn_written_and_measured() {
    for &family in Family::ALL {
        let place = Place::new();
        place.write("drawn.json", &config(family).to_string());
        place.ok("synth --config drawn.json --out drawn --seed 5");
        let bench = |model: &str| -> Value {
            let line = place.ok(&format!(
                "bench --model {model} --batch-size 2 --tokens 16 --steps 2 --warmup 0 --learning-rate 1e-4 --json"
            ));
            serde_json::from_str(&line).unwrap()
        };
        let (there, here) = (bench("drawn"), bench("synth:drawn.json?seed=5"));
        assert_eq!(there["losses"], here["losses"], "{family:?}");
        assert_eq!(there["weights_bytes"], here["weights_bytes"]);
        let losses: Vec<f64> = there["losses"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        assert!(
            losses.len() == 2 && losses[1] < losses[0],
            "{family:?}: {losses:?}"
        );
    }
}

#[test]
fn an_unknown_family_is_refused_with_the_known_ones() {
    let place = Place::new();
    place.write("model/config.json", r#"{"model_type": "mamba"}"#);
    for command in [
        TRAIN,
        "eval --model model --data data",
        "generate --model model -p x",
        "digest model",
    ] {
        let error = place.fails(command);
        assert!(error.contains("\"mamba\""), "{error}");
        for family in Family::ALL {
            assert!(error.contains(family.model_type()), "{error}");
        }
    }
}

/// A GPT-2 with so many positions.
fn write_gpt2(place: &Place, positions: i32) {
    let mut small = config(Family::Gpt2);
    small["n_positions"] = json!(positions);
    write(place, Family::Gpt2);
    place.write("model/config.json", &small.to_string());
    let path = place.path("model/model.safetensors");
    let (mut tensors, metadata) = io::load_safetensors(&path).unwrap();
    for (name, a) in &mut tensors {
        if name.ends_with("wpe.weight") {
            *a = ops::slice(a, &[0, 0], &[positions, 32], &[1, 1]).unwrap();
        }
        if name.ends_with("wte.weight") {
            // Wide enough apart for an adapter to choose between tokens.
            *a = ops::multiply(a, 20f32).unwrap();
        }
        a.eval().unwrap();
    }
    let all: Vec<_> = tensors.into_iter().collect();
    io::save_safetensors(&path, &all, &metadata).unwrap();
}

/// GPT-2 has an embedding of positions: nothing past its last row may be read, by padding either.
#[test]
fn padding_stays_inside_the_positions_of_gpt2() {
    let place = Place::new();
    write_gpt2(&place, 36);
    let row = |n: usize| json!({"prompt": "a", "completion": "b".repeat(n)}).to_string() + "\n";
    for split in ["train", "valid", "test"] {
        place.write(&format!("data/{split}.jsonl"), &row(27).repeat(3));
    }
    // Rows of 36 tokens, which would be padded to 48.
    place.train("--batch-size 3");
    let whole = place.ok("eval --adapter-path adapters");
    assert_eq!(
        whole,
        place.ok("eval --adapter-path adapters --max-seq-length 36")
    );
    place.write("data/test.jsonl", &row(28));
    let error = place.fails("eval --adapter-path adapters");
    assert!(
        error.contains("test.jsonl, line 1") && error.contains("at most 36"),
        "{error}"
    );
    let error = place.fails("bench --model model --tokens 37");
    assert!(error.contains("--tokens is 37"), "{error}");
}

/// Near the last position of GPT-2, an answer is exact if and only if `generate` writes it and ends.
#[test]
fn exact_match_is_what_generate_writes_up_to_the_last_position() {
    let place = Place::new();
    write_gpt2(&place, 40);
    // Thoughts that only the prompt has: it is longer than the row.
    let template = "{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}\
                    {% if add_generation_prompt %}<s>--{% endif %}";
    let settings = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": template});
    place.write("model/tokenizer_config.json", &settings.to_string());
    let line = |question: usize, answer: &str| {
        json!({"prompt": "q".repeat(question), "completion": answer}).to_string() + "\n"
    };
    let many: String = (14..32).map(|n| line(n, "okay")).collect();
    place.write("data/train.jsonl", &many);
    place.write("data/valid.jsonl", &many);
    place.ok(
        "train --model model --data data --iters 300 --batch-size 6 --learning-rate 3e-3 --lora-rank 8 \
         --mask-prompt --steps-per-report 100 --steps-per-eval 100 --val-batches 1",
    );
    let (mut fitting, mut beyond) = (0, 0);
    for question in 22..33 {
        place.write("data/test.jsonl", &line(question, "okay"));
        let said = place.ok("eval --model model --data data --adapter-path adapters --mask-prompt");
        let exact = said.contains("exact match 1/1");
        assert!(exact || said.contains("exact match 0/1"), "{said}");
        let prompt = "q".repeat(question);
        let out = place.run(&format!(
            "generate --model model --adapter-path adapters --temp 0 --prompt {prompt}"
        ));
        let (written, notes) = (common::text(&out.stdout), common::text(&out.stderr));
        let ended = out.status.success() && !notes.contains("stopped after");
        assert_eq!(
            exact,
            ended && written == "okay\n",
            "{question}: {said}{written}{notes}"
        );
        // The prompt has 5 tokens beside the question, the answer 5 with its end.
        match question + 5 + 5 <= 40 {
            true => fitting += usize::from(exact),
            false => {
                beyond += 1;
                assert!(!exact, "{question}");
            }
        }
    }
    assert!(fitting >= 3 && beyond == 2, "{fitting}, {beyond}");
}
