//! Writes a digest: the names, shapes and dtypes of a checkpoint and the numbers of its config, small enough to be
//! committed. `#[mlx_model(digest = "..")]` compares a model with it.
//!
//! Tests: unit tests below.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, Weights};
use crate::Dtype;

/// The text of the digest of a checkpoint of `M`, in the naming scheme `names` (as
/// [`super::LoadOptions`] has it). Equal tensors of several layers share a line:
///
/// ```text
/// config.hidden_size = 576
/// model.layers.{0..29}.mlp.up_proj.weight [1536, 576] f32
/// ```
///
/// No data is read.
pub fn digest<M: Model>(config: &M::Config, weights: &Weights, names: &str) -> String {
    let mut text = String::from(
        "# Numbers of the config, and names, shapes and dtypes of the tensors of a checkpoint.\n",
    );
    if !names.is_empty() {
        text += &format!("names = {names}\n");
    }
    let mut facts = BTreeMap::new();
    M::facts(config, &mut |name, value| {
        facts.insert(name, plain(value));
    });
    for (name, value) in facts {
        text += &format!("config.{name} = {value}\n");
    }
    let mut groups: BTreeMap<(Vec<&str>, String), BTreeSet<Vec<u64>>> = BTreeMap::new();
    for (name, array) in weights.iter() {
        let mut indices = Vec::new();
        let words = name.split('.').map(|word| match word.parse::<u64>() {
            // A number with a sign or leading zeros is a word.
            Ok(n) if n.to_string() == word => {
                indices.push(n);
                "{}"
            }
            _ => word,
        });
        let words: Vec<&str> = words.collect();
        let what = format!("{:?} {}", array.shape(), short(array.dtype()));
        groups.entry((words, what)).or_default().insert(indices);
    }
    let mut lines = Vec::new();
    for ((words, what), indices) in groups {
        for ranges in boxes(&indices.into_iter().collect::<Vec<_>>()) {
            let mut ranges = ranges.iter().map(|r| show(r));
            let words: Vec<String> = words
                .iter()
                .map(|w| match *w {
                    "{}" => ranges.next().unwrap_or_default(),
                    w => w.to_string(),
                })
                .collect();
            lines.push(format!("{} {what}\n", words.join(".")));
        }
    }
    lines.sort();
    text + &lines.concat()
}

/// A value of the config: a number, a flag, `none`, or `some` for anything else.
fn plain(value: String) -> String {
    let inner = value
        .strip_prefix("Some(")
        .and_then(|v| v.strip_suffix(')'))
        .unwrap_or(&value);
    match inner {
        "None" => "none".into(),
        "true" | "false" => inner.into(),
        n if n.parse::<f64>().is_ok_and(f64::is_finite) => n.into(),
        _ => "some".into(),
    }
}

fn short(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Float32 => "f32",
        Dtype::Float16 => "f16",
        Dtype::Bfloat16 => "bf16",
        Dtype::Float64 => "f64",
        Dtype::Int8 => "i8",
        Dtype::Int16 => "i16",
        Dtype::Int32 => "i32",
        Dtype::Int64 => "i64",
        Dtype::Uint8 => "u8",
        Dtype::Uint16 => "u16",
        Dtype::Uint32 => "u32",
        Dtype::Uint64 => "u64",
        Dtype::Bool => "bool",
        Dtype::Complex64 => "c64",
    }
}

/// Sorted tuples of indices as products of sets, one set a place; no tuple lies in two.
fn boxes(tuples: &[Vec<u64>]) -> Vec<Vec<Vec<u64>>> {
    let mut by_first: BTreeMap<u64, Vec<Vec<u64>>> = BTreeMap::new();
    for t in tuples {
        match t.split_first() {
            None => return vec![vec![]],
            Some((first, rest)) => by_first.entry(*first).or_default().push(rest.to_vec()),
        }
    }
    let mut alike: BTreeMap<Vec<Vec<u64>>, Vec<u64>> = BTreeMap::new();
    for (first, rest) in by_first {
        alike.entry(rest).or_default().push(first);
    }
    let mut all = Vec::new();
    for (rest, firsts) in alike {
        for mut tail in boxes(&rest) {
            tail.insert(0, firsts.clone());
            all.push(tail);
        }
    }
    all
}

/// A set of indices: `{0..29}`, `{0,2,4..9}`.
fn show(indices: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &i in indices {
        match runs.last_mut() {
            Some((_, to)) if *to + 1 == i => *to = i,
            _ => runs.push((i, i)),
        }
    }
    let one = |(from, to): &(u64, u64)| match from == to {
        true => from.to_string(),
        false => format!("{from}..{to}"),
    };
    format!("{{{}}}", runs.iter().map(one).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_become_products_of_sets() {
        let grid: Vec<Vec<u64>> = (0..3)
            .flat_map(|i| (0..4).map(move |j| vec![i, j]))
            .collect();
        assert_eq!(boxes(&grid), [[vec![0, 1, 2], vec![0, 1, 2, 3]]]);
        let gaps = [vec![0, 0], vec![0, 1], vec![1, 0], vec![2, 0], vec![2, 1]];
        let mut found = boxes(&gaps);
        found.sort();
        assert_eq!(found, [[vec![0, 2], vec![0, 1]], [vec![1], vec![0]]]);
        assert_eq!(show(&[0, 1, 2, 5, 7, 8]), "{0..2,5,7..8}");
        assert_eq!(boxes(&[vec![]]), [Vec::<Vec<u64>>::new()]);
    }

    #[test]
    fn values_of_a_config_are_numbers_flags_or_neither() {
        for (value, want) in [
            ("576", "576"),
            ("1e-5", "1e-5"),
            ("true", "true"),
            ("None", "none"),
            ("Some(4096)", "4096"),
            ("Some(Linear { factor: 2.0 })", "some"),
        ] {
            assert_eq!(plain(value.to_string()), want);
        }
    }
}
