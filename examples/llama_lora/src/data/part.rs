//! Parts of splits, as the library `datasets` writes them.
//!
//! Tests: unit tests below.

use anyhow::{bail, ensure, Context, Result};

use super::source::Line;

/// A split, or a part of one: `train`, `train[:80%]`, `train[-100:]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The split.
    pub name: String,
    from: Option<Bound>,
    to: Option<Bound>,
}

/// A place in a split; from its end, if the number is negative.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    Rows(i64),
    Percent(f64),
}

impl Bound {
    fn parse(text: &str) -> Option<Bound> {
        match text.strip_suffix('%') {
            Some(number) => number
                .parse()
                .ok()
                .filter(|p: &f64| p.abs() <= 100.0)
                .map(Bound::Percent),
            None => text.parse().ok().map(Bound::Rows),
        }
    }

    /// As `datasets` rounds.
    fn of(self, rows: usize) -> usize {
        let at = match self {
            Bound::Rows(n) => n,
            Bound::Percent(p) => (p * rows as f64 / 100.0).round_ties_even() as i64,
        };
        let all = i64::try_from(rows).unwrap_or(i64::MAX);
        let at = if at < 0 { at.saturating_add(all) } else { at };
        at.clamp(0, all) as usize
    }
}

impl Part {
    /// The parts that `+` joins.
    pub fn all(text: &str) -> Result<Vec<Part>> {
        text.split('+')
            .map(|part| Part::parse(part.trim()))
            .collect()
    }

    fn parse(text: &str) -> Result<Part> {
        let wrong = || {
            format!("invalid split {text:?}: expected a name, or a part of a split such as train[:80%] or train[-100:]")
        };
        let (name, range) = match text.split_once('[') {
            None => (text, ""),
            Some((name, rest)) => (name, rest.strip_suffix(']').with_context(wrong)?),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        ensure!(!name.is_empty() && name.chars().all(plain), wrong());
        let bound = |text: &str| -> Result<Option<Bound>> {
            match text {
                "" => Ok(None),
                text => Bound::parse(text).with_context(wrong).map(Some),
            }
        };
        let (from, to) = match (range, range.split_once(':')) {
            ("", _) if !text.contains('[') => (None, None),
            (_, Some((from, to))) => (bound(from.trim())?, bound(to.trim())?),
            _ => bail!(wrong()),
        };
        Ok(Part {
            name: name.to_owned(),
            from,
            to,
        })
    }

    /// These of the lines of the split.
    pub fn cut(&self, mut lines: Vec<Line>) -> Vec<Line> {
        let all = lines.len();
        let to = self.to.map_or(all, |b| b.of(all));
        let from = self.from.map_or(0, |b| b.of(all)).min(to);
        lines.truncate(to);
        lines.drain(..from);
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn splits_are_cut_as_datasets_cuts_them() {
        let cut = |text: &str, rows: usize| {
            let lines: Vec<Line> = (0..rows).map(|i| (i.to_string(), Map::new())).collect();
            let part = Part::parse(text).unwrap();
            let kept = part.cut(lines);
            (kept.first().map(|l| l.0.clone()), kept.len())
        };
        let first = |n: usize| Some(n.to_string());
        for (text, rows, wanted) in [
            ("train", 7, (first(0), 7)),
            ("train[:80%]", 10, (first(0), 8)),
            ("train[:50%]", 5, (first(0), 2)),
            ("train[-10%:]", 25, (first(23), 2)),
            ("train[2:4]", 7, (first(2), 2)),
            ("train[-3:]", 7, (first(4), 3)),
            ("train[:100]", 7, (first(0), 7)),
            ("train[5:2]", 7, (None, 0)),
        ] {
            assert_eq!(cut(text, rows), wanted, "{text}");
        }
        for text in [
            "",
            "train[",
            "train[1]",
            "train[:x]",
            "train[:120%]",
            "tr ain",
            "[1:2]",
        ] {
            assert!(Part::all(text).is_err(), "{text}");
        }
        assert_eq!(Part::all("train+test[:3]").unwrap().len(), 2);
    }
}
