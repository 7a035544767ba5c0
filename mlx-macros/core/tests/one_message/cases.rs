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
const BASES: [(&str, &str); 11] = [
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
];

/// The name and the source of each base.
pub fn bases() -> Vec<(&'static str, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/src");
    let base = |(name, model): &(&'static str, &str)| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
        let text = text
            .replace("use crate::", "use mlx_models::")
            .replace("//! ", "// ");
        (*name, format!("{text}\n{}", user(model)))
    };
    BASES.iter().map(base).collect()
}

/// What a program does with a model.
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
    let (base, text) = fitting[i % fitting.len()];
    let (name, text) = (format!("{base}: {name}"), text.replacen(&from, &to, 1));
    Case { name, text }
}
