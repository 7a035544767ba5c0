//! Covers which settings win, and which are refused.
//!
//! Tests: `tests.rs`.

use super::*;

fn with_file(yaml: &str, args: TrainArgs) -> Result<Settings> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.yaml");
    std::fs::write(&path, yaml).unwrap();
    Settings::resolve(&TrainArgs {
        config: Some(path),
        ..args
    })
}

#[test]
fn the_command_line_wins_over_the_file_and_the_file_over_the_defaults() {
    let yaml = "iters: 7\nbatch_size: 2\nlearning_rate: 1e-4\nlora_parameters:\n  rank: 4\n  keys: [self_attn.q_proj]\n";
    let args = TrainArgs {
        iters: Some(9),
        ..TrainArgs::default()
    };
    let s = with_file(yaml, args).unwrap();
    assert_eq!((s.iters, s.batch_size, s.lora.rank), (9, 2, 4));
    assert_eq!(s.learning_rate, 1e-4);
    assert_eq!(s.lora.keys, ["self_attn.q_proj"]);
    assert_eq!((s.lora.scale, s.save_every), (20.0, 100));
}

#[test]
fn mlx_lms_own_example_is_understood() {
    let yaml = include_str!("../../tests/data/mlx_lm_lora_config.yaml");
    let s = with_file(yaml, TrainArgs::default()).unwrap();
    assert_eq!(s.optimizer, Optimizer::Adamw);
    let OptimizerConfig::Adamw(config) = &s.optimizer_config else {
        panic!("{:?}", s.optimizer_config)
    };
    assert_eq!(config.betas, [0.9, 0.98]);
    assert_eq!(config.weight_decay, 0.05);
    assert_eq!(s.lora.keys.len(), 2);
    assert!(s.lr_schedule.is_some());
    assert_eq!(s.grad_checkpoint, GradCheckpoint::Never);
}

#[test]
fn the_memory_limit_is_a_size_bytes_or_a_share() {
    for (yaml, limit) in [
        ("memory_limit: 24GB", Limit::Bytes(24_000_000_000)),
        ("memory_limit: 1000000", Limit::Bytes(1_000_000)),
        ("memory_limit: 0.8", Limit::Share(0.8)),
        ("memory_limit: 80%", Limit::Share(0.8)),
    ] {
        let settings = with_file(yaml, TrainArgs::default()).unwrap();
        assert_eq!(settings.memory_limit, Some(limit), "{yaml}");
        // As a run's state keeps it.
        let kept = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&kept).unwrap(), settings);
    }
    let error = with_file("memory_limit: lots", TrainArgs::default()).unwrap_err();
    assert!(format!("{error:#}").contains("24GB"), "{error:#}");
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    for (yaml, hint) in [
        ("itres: 3", "iters"),
        ("lora_parameters: {rnak: 3}", "rank"),
        ("lora_parameters: {alpah: 16}", "alpha"),
        ("batch-size: 3", "batch_size"),
        ("zzzzzz: 3", "known keys"),
    ] {
        let error = format!("{:#}", with_file(yaml, TrainArgs::default()).unwrap_err());
        assert!(error.contains(hint), "{yaml}: {error}");
    }
}

#[test]
fn parts_of_the_optimiser_are_what_the_flags_say() {
    let built = |yaml: &str| {
        let s = with_file(yaml, TrainArgs::default()).unwrap();
        s.build_optimizer()
    };
    let names = [
        ("model.layers.0.self_attn.q_proj.lora_a", &[4, 2][..]),
        ("model.layers.0.self_attn.q_proj.lora_b", &[2, 4]),
        ("model.norm.weight", &[4]),
    ];
    for (yaml, wanted) in [
        ("optimizer: adamw", [0, 0, 0]),
        ("{optimizer: adamw, loraplus_lr_ratio: 4}", [0, 1, 0]),
        ("{optimizer: adamw, decay_matrices_only: true}", [0, 0, 1]),
        (
            "{optimizer: adamw, decay_matrices_only: true, loraplus_lr_ratio: 4}",
            [0, 2, 1],
        ),
    ] {
        let optimizer = built(yaml);
        assert_eq!(
            names.map(|(n, shape)| optimizer.part(n, shape)),
            wanted,
            "{yaml}"
        );
    }
    let text = format!(
        "{:?}",
        built("{optimizer: adamw, decay_matrices_only: true}")
    );
    assert!(
        text.contains("weight_decay: 0.0") && text.contains("weight_decay: 0.01"),
        "{text}"
    );
}

#[test]
fn what_is_not_supported_is_refused_and_not_ignored() {
    for yaml in [
        "fine_tune_type: lokr",
        "grad_accumulation_steps: 0",
        "report_to: comet",
        "optimizer: rmsprop",
        "hf_dataset: {pth: billsum}",
        "hf_dataset: {path: a/b, weight: 0}",
        "hf_dataset: {path: a/b, train_split: 'train[:x]'}",
        "hf_dataset: [{path: a/b, config: {streaming: true}}]",
        "train: false",
        "lora_parameters: {rslora: true}",
        "lora_parameters: {rank_pattern: {q_proj: x}}",
        "lora_parameters: {dropout: 1.0}",
        "loraplus_lr_ratio: 0",
        "loss: ppo",
        "{loss: dpo, simpo_gamma: 0.5}",
        "{loss: orpo, reference_model: x}",
        "beta: 0.1",
        "{loss: dpo, beta: 0}",
        "{loss: dpo, packing: true}",
        "{packing: true, compat: true}",
        "{loraplus_lr_ratio: 2, fine_tune_type: full}",
        "{loraplus_lr_ratio: 2, optimizer: adafactor}",
        "iters: many",
        "- a list",
    ] {
        assert!(with_file(yaml, TrainArgs::default()).is_err(), "{yaml}");
    }
    for yaml in [
        "",
        "fine_tune_type: lora",
        "fine_tune_type: full",
        "fine_tune_type: dora",
        "{loss: simpo, beta: 2.5, simpo_gamma: 1.4}",
        "{loss: dpo, reference_model: x}",
        "packing: true",
        "{report_to: 'wandb, tensorboard', project_name: x}",
        "report_to: [swanlab]",
        "hf_dataset: {path: billsum, prompt_feature: text, completion_feature: summary, train_split: 'train[:1000]'}",
        "hf_dataset: [{path: a/b, weight: 2.5}, {path: c/d, config: {name: main}, chat_feature: conversations}]",
        "lora_parameters: {alpha: 16, rslora: true, dropout: 0.1, rank_pattern: {q_proj: 4}, scale_pattern: {v_proj: 2.5}}",
        "{loraplus_lr_ratio: 16, decay_matrices_only: true}",
        "{epochs: 3, max_grad_norm: 1.0, keep_best: true, early_stopping: 2, save_total_limit: 3}",
        "lr_schedule: {name: wsd, arguments: [1e-4, 100, 20]}",
        "grad_accumulation_steps: 4",
        "report_to: null",
        "optimizer: muon",
        "{optimizer: sgd, optimizer_config: {sgd: {momentum: 0.9}, adam: {}}}",
    ] {
        with_file(yaml, TrainArgs::default()).unwrap();
    }
}
