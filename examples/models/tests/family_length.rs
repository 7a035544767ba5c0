//! A family fits on a page.

use std::path::Path;

/// Families of several models that are longer. They may only shrink.
const LONGER: &[(&str, usize)] = &[
    ("clip.rs", 145),
    ("deepseek_v3.rs", 182),
    ("mamba2.rs", 135),
    ("qwen3_next.rs", 232),
    ("t5_blocks.rs", 136),
    ("whisper.rs", 174),
];

/// Comments, blank lines, imports, the fields of the config, and names in another scheme than the checkpoint's own do
/// not count as lines of the model.
fn lines(source: &str) -> usize {
    let mut count = 0;
    let mut config = false;
    for line in source.lines().map(str::trim) {
        config |= line.starts_with("pub struct") && line.contains("Config {");
        let other = ["//", "use ", "#[derive(", "#[weights(gguf"];
        if !config && !line.is_empty() && !other.iter().any(|o| line.starts_with(o)) {
            count += 1;
        }
        config &= line != "}";
    }
    count
}

#[test]
fn every_family_has_at_most_120_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = match path.extension() {
            Some(_) => std::fs::read_to_string(&path).unwrap(),
            None => continue,
        };
        if source.contains("#[mlx_model") {
            let n = lines(&source);
            let longer = LONGER.iter().find(|(name, _)| path.ends_with(name));
            let most = longer.map_or(120, |(_, most)| *most);
            assert!((20..=most).contains(&n), "{}: {n} lines", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 13, "{seen} families");
}
