//! Jinja's filters that write a value as text of another form.
//!
//! Tests: `tests/templates.rs`.

use anyhow::{bail, ensure, Result};

use super::call::Given;
use super::methods::number;
use super::ops::{self, describe};
use super::run::Run;
use super::sequences::{keyed, sorted};
use super::syntax::Op;
use super::text::{char_range, is_space};
use super::value::{Value, View};

/// `pprint.pformat(value)`, as far as it fits into one line: dictionaries are in the order of their keys.
pub(super) fn pretty(run: &Run, value: &Value) -> Result<Value> {
    fn sorted_keys(run: &Run, value: &Value) -> Result<Value> {
        run.spend(value.weight())?;
        let each = |items: &[Value]| -> Result<Vec<Value>> {
            items.iter().map(|v| sorted_keys(run, v)).collect()
        };
        match value {
            Value::List(items) => Value::list(each(items)?),
            Value::Tuple(items) => Value::tuple(each(items)?),
            Value::Dict(dict) => {
                let pairs = dict.view(View::Items)?;
                let keyed = keyed(run, pairs, |_, pair| match pair {
                    Value::Tuple(pair) => Ok(pair[0].clone()),
                    _ => Ok(Value::None),
                })?;
                let mut entries = Vec::new();
                for pair in sorted(run, keyed, false)? {
                    if let Value::Tuple(pair) = pair {
                        entries.push((pair[0].clone(), sorted_keys(run, &pair[1])?));
                    }
                }
                Value::dict(entries)
            }
            other => Ok(other.clone()),
        }
    }
    let text = run.repr(&sorted_keys(run, value)?, false)?;
    ensure!(
        text.chars().count() <= 80,
        "pprint of a value longer than a line is not supported"
    );
    Ok(Value::str(text))
}

/// Each part after a blank, a hyphen or an opening bracket begins with a large letter.
pub(super) fn title(text: &str) -> String {
    let ends = |c: char| is_space(c) || "-({[<".contains(c);
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(ends) {
        let mut chars = part.chars();
        if let Some(first) = chars.next() {
            out.extend(first.to_uppercase());
            out.push_str(&chars.as_str().to_lowercase());
        }
    }
    out
}

/// `truncate`: a text cut to a length, with an end that says so.
pub(super) fn truncate(run: &Run, value: &Value, given: Given) -> Result<Value> {
    let text = &*run.to_text(value)?;
    let [length, kill, end, leeway] =
        given.bind("truncate", ["length", "killwords", "end", "leeway"], 0)?;
    let length = length.map_or(Ok(255), |n| number("truncate", &n))?;
    let end = end.unwrap_or_else(|| Value::str("..."));
    let Some(end_text) = end.as_str() else {
        bail!(
            "truncate expects a string as end, found a {}",
            describe(&end)
        );
    };
    let leeway = match leeway {
        None | Some(Value::None) => 5,
        Some(n) => number("truncate", &n)?,
    };
    let short = length - end_text.chars().count() as i128;
    ensure!(
        short >= 0,
        "truncate cannot make a string shorter than its end, {end_text:?}"
    );
    ensure!(leeway >= 0, "truncate expects a leeway of 0 or more");
    if text.chars().count() as i128 <= length + leeway {
        return Ok(value.alike(text));
    }
    let kept = char_range(text, 0, short as usize);
    let kept = match kill.is_some_and(|k| k.is_true()) {
        true => kept,
        false => kept.rsplit_once(' ').map_or(kept, |(a, _)| a),
    };
    ops::binary(run, Op::Add, &value.alike(kept), &end)
}

/// `urlencode`: a text, or pairs as a query.
pub(super) fn url_encode(run: &Run, value: &Value) -> Result<Value> {
    let quote = |value: &Value, query: bool| -> Result<String> {
        let text = run.to_text(value)?;
        run.spend_text(text.len().saturating_mul(3))?;
        let mut out = String::new();
        for b in text.bytes() {
            match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                    out.push(b.into())
                }
                b'/' if !query => out.push('/'),
                b' ' if query => out.push('+'),
                b => out.push_str(&format!("%{b:02X}")),
            }
        }
        Ok(out)
    };
    let pairs = match value {
        Value::Dict(d) => d.view(View::Items)?,
        Value::List(_) | Value::Tuple(_) | Value::Once(_) | Value::View(..) | Value::Range(_) => {
            run.items(value)?
        }
        other => return Ok(Value::str(quote(other, false)?)),
    };
    let mut out = Vec::new();
    for pair in pairs {
        match run.items(&pair)?.as_slice() {
            [key, value] => out.push(format!("{}={}", quote(key, true)?, quote(value, true)?)),
            _ => bail!("urlencode expects a string or pairs"),
        }
    }
    Ok(Value::str(out.join("&")))
}
