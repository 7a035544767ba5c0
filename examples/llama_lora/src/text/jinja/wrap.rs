//! The filter `wordwrap`, by Python's `textwrap`.
//!
//! Tests: `tests/templates.rs`.

use std::sync::LazyLock;

use anyhow::{bail, ensure, Result};
use fancy_regex::Regex;

use super::call::Given;
use super::markup;
use super::methods::number;
use super::ops::describe;
use super::run::Run;
use super::text::{char_range, lines};
use super::value::Value;

/// The whitespace of this filter: fewer characters than `split` has.
const BLANK: [char; 6] = ['\t', '\n', '\x0b', '\x0c', '\r', ' '];

/// Runs of blanks, dashes between words, and words up to a hyphen.
static PARTS: LazyLock<Regex> = LazyLock::new(|| {
    let (blank, other) = (r"[\t\n\x0b\x0c\r ]", r"[^\t\n\x0b\x0c\r ]");
    let (letter, inner) = (r"[^\d\W]", r#"[\w!"'&.,?]"#);
    let source = format!(
        r"{blank}+|(?<={inner})-{{2,}}(?=\w)|{other}+?(?:-(?:(?<={letter}{letter}-)|(?<={letter}-{letter}-))(?={letter}-?{letter})|(?={blank}|\z)|(?<={inner})(?=-{{2,}}\w))"
    );
    Regex::new(&source).expect("the pattern is valid")
});

/// `value | wordwrap(..)`
pub fn wrap(run: &Run, value: &Value, given: Given) -> Result<Value> {
    let names = [
        "width",
        "break_long_words",
        "wrapstring",
        "break_on_hyphens",
    ];
    let [width, long, between, hyphens] = given.bind("wordwrap", names, 0)?;
    let Some(text) = value.as_str() else {
        bail!("wordwrap expects a string, found a {}", describe(value));
    };
    let width = width.map_or(Ok(79), |w| number("wordwrap", &w))?;
    let yes = |v: Option<Value>| v.is_none_or(|v| v.is_true());
    let (long, hyphens) = (yes(long), yes(hyphens));
    let between = match between {
        None | Some(Value::None) => Value::str("\n"),
        Some(text) if text.as_str().is_some() => text,
        Some(other) => bail!(
            "wordwrap puts a string in between, not a {}",
            describe(&other)
        ),
    };
    let mut out = Vec::new();
    for line in lines(text, false) {
        run.spend(line.len())?;
        ensure!(width > 0, "wordwrap expects a width of 1 or more");
        let wrapped = wrapped(run, line, width as usize, long, hyphens)?;
        let parts: Vec<Value> = wrapped.into_iter().map(Value::str).collect();
        out.push(markup::join(run, &between, &parts)?);
    }
    markup::join(run, &between, &out)
}

/// Pieces of the line, between which it may be broken.
fn pieces(line: &str, hyphens: bool) -> Result<Vec<&str>> {
    if hyphens {
        let found: Result<Vec<_>, _> = PARTS.find_iter(line).collect();
        return Ok(found?.into_iter().map(|m| m.as_str()).collect());
    }
    let mut out = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let blank = BLANK.contains(&first);
        let end = rest.find(|c| BLANK.contains(&c) != blank);
        let (piece, behind) = rest.split_at(end.unwrap_or(rest.len()));
        out.push(piece);
        rest = behind;
    }
    Ok(out)
}

fn wrapped(run: &Run, line: &str, width: usize, long: bool, hyphens: bool) -> Result<Vec<String>> {
    let len = |text: &str| text.chars().count();
    let is_blank = |text: &str| text.trim_matches(super::text::is_space).is_empty();
    let mut left = pieces(line, hyphens)?;
    left.reverse();
    let mut out = Vec::new();
    while let Some(&next) = left.last() {
        run.spend_text(next.len())?;
        if is_blank(next) && !out.is_empty() {
            left.pop();
        }
        let mut now: Vec<&str> = Vec::new();
        let mut used = 0;
        while let Some(&next) = left.last() {
            run.spend_text(next.len())?;
            if used + len(next) > width {
                break;
            }
            used += len(next);
            now.push(next);
            left.pop();
        }
        if let Some(&next) = left.last().filter(|next| len(next) > width) {
            if long {
                let room = width - used;
                let mut end = room;
                if hyphens {
                    // A hyphen after anything but hyphens is the better place.
                    let within = char_range(next, 0, room);
                    let at = within.rfind('-').filter(|at| *at > 0);
                    if let Some(at) = at.filter(|at| within[..*at].contains(|c| c != '-')) {
                        end = len(&within[..=at]);
                    }
                }
                let start = char_range(next, 0, end);
                now.push(start);
                left.pop();
                left.push(&next[start.len()..]);
            } else if now.is_empty() {
                now.push(next);
                left.pop();
            }
        }
        if now.last().is_some_and(|last| is_blank(last)) {
            now.pop();
        }
        if !now.is_empty() {
            out.push(now.concat());
        }
    }
    Ok(out)
}
