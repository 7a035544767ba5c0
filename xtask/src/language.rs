//! The column `tier` of the tables in `docs/language.md`, from the table of operations.
//!
//! Tests: `tests/current.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{ensure, Context, Result};

use mlx_macros_core::ops;

use crate::File;

/// The head of a table of operations.
const HEAD: &str = "| operation | rule | tier |";

/// The file, after a check that each operation stands in one of its tables.
pub fn file(root: &Path) -> Result<File> {
    let path = "docs/language.md";
    let committed = std::fs::read_to_string(root.join(path)).context(path)?;
    let (mut text, mut inside, mut found) = (String::new(), false, Vec::new());
    for line in committed.lines() {
        inside = line == HEAD || (inside && line.starts_with('|'));
        match inside && line.contains('`') {
            true => text += &row(line, &mut found)?,
            false => text += line,
        }
        text.push('\n');
    }
    for op in ops::OPS {
        ensure!(
            found.contains(&op.name),
            "{path} has no row for `{}` below a line {HEAD:?}",
            op.name
        );
    }
    Ok(File {
        path: path.into(),
        text,
    })
}

/// A row with its last cell written anew; `found` gets the operations that it names.
fn row(line: &str, found: &mut Vec<&'static str>) -> Result<String> {
    // A stroke inside of a cell has a backslash before it.
    let cells = line.match_indices('|').map(|m| m.0);
    let cells: Vec<usize> = cells
        .filter(|at| *at == 0 || line.as_bytes()[at - 1] != b'\\')
        .collect();
    let [start, end, last, _] = cells[..] else {
        anyhow::bail!(
            "a row of docs/language.md has other cells than operation, rule and tier: {line}"
        );
    };
    let mut tiers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let named = line[start..end].split('`').skip(1).step_by(2);
    for op in named.filter_map(|code| ops::find(first_word(code))) {
        tiers.entry(op.tier.name()).or_default().push(op.name);
        found.push(op.name);
    }
    ensure!(
        !tiers.is_empty(),
        "a row of docs/language.md names no operation: {line}"
    );
    // The tier of most of them, then the others by name.
    let mut by_size: Vec<_> = tiers.into_iter().collect();
    by_size.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    let mut cell = by_size[0].0.to_string();
    for (tier, names) in &by_size[1..] {
        let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
        cell += &format!("; {}: {tier}", names.join(" "));
    }
    Ok(format!("{}| {cell} |", &line[..last]))
}

/// The name that a piece of code begins with, also one in a module.
fn first_word(code: &str) -> &str {
    let other = |c: char| !(c.is_alphanumeric() || "_:".contains(c));
    code.split(other).next().unwrap_or_default()
}
