//! Reads the mistakes and plants them.

use std::path::Path;

/// A base with one mistake.
pub struct Case {
    /// The base and the mistake.
    pub name: String,
    /// The source.
    pub text: String,
}

/// The models that mistakes are planted in: those of the examples, each with a function that uses it.
const BASES: [(&str, &str); 13] = [
    ("llama", "Llama"),
    ("gpt2", "Gpt2"),
    ("bert", "Bert"),
    ("vit", "Vit"),
    ("convnext", "ConvNext"),
    ("dit", "Dit"),
    ("t5_blocks", "EncoderBlock"),
    ("mamba2", "Mamba2"),
    ("qwen3_moe", "Qwen3Moe"),
    ("olmo2", "Olmo2"),
    ("gemma2", "Gemma2"),
    ("functions", "Block"),
    (
        "decoder",
        "Decoder<Block<mlx_models::llama::Attention, mlx_models::llama::Mlp>>",
    ),
];

/// Those with a config of another crate.
const ELSEWHERE: [&str; 4] = ["olmo2", "qwen3_moe", "gemma2", "decoder"];

/// The name and the source of each base: a crate as a user has it, where the config is beside the model. That of some bases
/// stays in another crate.
pub fn bases() -> Vec<(&'static str, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/src");
    let read = |file: String| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        code.collect::<Vec<_>>().join("\n")
    };
    let all = read("config/mod.rs".to_string());
    let config = structure(
        &all,
        "#[derive(Clone, Debug, PartialEq)]\npub struct Config {",
    );
    let config = format!("use mlx_models::Family;\nuse mlx_runtime::nn::RopeScaling;\n\n{config}");
    let t5 = structure(&read("t5.rs".to_string()), "pub struct T5Config {");
    let base = |(name, model): &(&'static str, &str)| {
        let own = super::file("bases").join(format!("{name}.rs"));
        let mut text = match own.exists() {
            true => std::fs::read_to_string(own).unwrap(),
            false => read(format!("{name}.rs")),
        };
        if ["llama", "gpt2", "t5_blocks"].contains(name) {
            text = text.replace("use crate::Config;", &config);
            text = text.replace("use crate::t5::T5Config;", &t5);
        }
        let text = text.replace("use crate::", "use mlx_models::");
        (*name, format!("{text}\n\n{}", user(model)))
    };
    BASES.iter().map(base).collect()
}

/// A struct of a file.
fn structure(text: &str, head: &str) -> String {
    let rest = &text[text.find(head).unwrap()..];
    rest[..rest.find("\n}").unwrap() + 2].to_string()
}

/// The use of a model in a program.
fn user(model: &str) -> String {
    format!(
        "type Made = {model};
fn made(config: &std::sync::Arc<<Made as mlx_runtime::model::Model>::Config>) -> mlx_runtime::Result<usize> {{
    use mlx_runtime::model::Model;
    let key = mlx_runtime::random::Key::new(0)?;
    let net: Made = mlx_runtime::model::init(config, &key, mlx_runtime::Dtype::Float32)?;
    let _ = Made::forward;
    Ok(net.parameters().len())
}}
"
    )
}

/// Every case of the folder `cases`.
pub fn all(bases: &[(&'static str, String)]) -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir(super::file("cases"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    let texts: Vec<String> = files
        .iter()
        .map(|f| std::fs::read_to_string(f).unwrap())
        .collect();
    let rows = texts
        .iter()
        .flat_map(|t| t.split("--- ").skip(1))
        .enumerate();
    rows.map(|(i, row)| planted(row, i, bases)).collect()
}

/// The case of row `i`. A mistake that fits each base is planted in one of those that have the text.
fn planted(row: &str, i: usize, bases: &[(&'static str, String)]) -> Case {
    let (head, lines) = row.split_once('\n').unwrap();
    let (base, name) = head
        .split_once(": ")
        .unwrap_or_else(|| panic!("{head}: no base"));
    let of = |mark: &str| {
        let lines = lines.lines().filter_map(|l| l.strip_prefix(mark));
        let lines: Vec<&str> = lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
        lines.join("\n")
    };
    let (from, to) = (of("-"), of("+"));
    let fits = |b: &&(&str, String)| (base == b.0 || base == "*") && b.1.contains(&from);
    let fitting: Vec<_> = bases.iter().filter(fits).collect();
    assert!(!fitting.is_empty(), "{head}: no `{from}`");
    // A config lies in the crate of its model, where a case does not say otherwise.
    let own = |b: &&&(&str, String)| !ELSEWHERE.contains(&b.0);
    let of_crate: Vec<_> = fitting.iter().copied().filter(|b| own(&b)).collect();
    let fitting = if of_crate.is_empty() {
        fitting
    } else {
        of_crate
    };
    let (base, text) = fitting[i % fitting.len()];
    let (name, text) = (format!("{base}: {name}"), text.replacen(&from, &to, 1));
    Case { name, text }
}
