//! Text that users write by hand: settings, sizes, an adapter's configuration.
//!
//! Tests: `tests/short.rs`.

use clap::Parser;
use llama_lora::cli::{Cli, Command};
use llama_lora::settings::Settings;
use mlx_runtime::runtime::Limit;

fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// A YAML file of settings, merged with the defaults, its schedule and optimizer built.
pub fn settings(input: &[u8]) {
    let Ok(folder) = crate::folder() else {
        return;
    };
    let path = folder.path().join("settings.yaml");
    if std::fs::write(&path, input).is_err() {
        return;
    }
    let args = [
        "llama_lora".as_ref(),
        "train".as_ref(),
        "--config".as_ref(),
        path.as_os_str(),
    ];
    let Ok(Cli {
        command: Some(Command::Train(args)),
        ..
    }) = Cli::try_parse_from(args)
    else {
        panic!("the command line is right");
    };
    let Ok(settings) = Settings::resolve(&args) else {
        return;
    };
    // The settings that are saved beside an adapter are read again.
    let text = serde_json::to_string(&settings).expect("settings are JSON");
    let again: Settings = serde_json::from_str(&text).expect("written settings are read");
    assert_eq!(serde_json::to_string(&again).ok(), Some(text));
    if let Some(schedule) = &settings.lr_schedule {
        if let Ok(schedule) = schedule.build() {
            for step in [0, 1, 1000, u64::MAX] {
                let _ = schedule.at(step);
            }
        }
    }
    let _ = settings.optimizer_config.build(settings.learning_rate);
}

/// An amount of memory. Its text is parsed again.
pub fn size(input: &[u8]) {
    let Some(text) = text(input) else {
        return;
    };
    let _ = llama_lora::settings::parse_size(text);
    if let Ok(limit) = text.parse::<Limit>() {
        let again: Limit = limit.to_string().parse().expect("a printed limit is read");
        assert_eq!(again, limit);
        let _ = limit.of(usize::MAX);
        let json = serde_json::to_string(&limit).expect("a limit is JSON");
        assert_eq!(serde_json::from_str::<Limit>(&json).ok(), Some(limit));
    }
}

/// An adapter's configuration beside its weights.
pub fn adapter(input: &[u8]) {
    let Ok(folder) = crate::folder() else {
        return;
    };
    let weights = folder.path().join("adapters.safetensors");
    let empty = b"\x02\0\0\0\0\0\0\0{}";
    let written = std::fs::write(&weights, empty)
        .and_then(|()| std::fs::write(folder.path().join("adapter_config.json"), input));
    if written.is_ok() {
        let _ = llama_lora::adapter::Adapter::read(folder.path());
    }
}
