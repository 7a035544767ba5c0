//! Texts that are marked as safe for HTML, as markupsafe's `Markup`: text that is inserted into one is escaped.
//!
//! Tests: `tests/templates.rs`.

use std::sync::LazyLock;

use anyhow::{bail, Context, Result};
use regex::{Captures, Regex};

use super::call::Given;
use super::methods;
use super::run::Run;
use super::text::words;
use super::value::Value;

/// The methods that it has in addition to those of `str`.
pub const NAMES: [&str; 3] = ["escape", "striptags", "unescape"];

/// `&`, `<`, `>` and quotes as HTML writes them.
pub fn escape(run: &Run, text: &str) -> Result<String> {
    run.spend_text(text.len().saturating_mul(5))?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// A value as text, escaped unless it is marked as safe.
pub fn escaped(run: &Run, value: &Value) -> Result<String> {
    let text = run.to_text(value)?;
    match value {
        Value::Markup(_) => Ok(text.to_string()),
        _ => escape(run, &text),
    }
}

/// `a + b` of two texts, of which at least one is marked as safe.
pub fn add(run: &Run, a: &Value, b: &Value) -> Result<Value> {
    Ok(Value::Markup((escaped(run, a)? + &escaped(run, b)?).into()))
}

/// The texts of `items` with `between` in between; if that is marked as safe, so is the result.
pub fn join(run: &Run, between: &Value, items: &[Value]) -> Result<Value> {
    let sep = run.to_text(between)?;
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        let item = match between {
            Value::Markup(_) => escaped(run, item)?.into(),
            _ => run.to_text(item)?,
        };
        run.spend_text(item.len() + sep.len())?;
        if i > 0 {
            out.push_str(&sep);
        }
        out.push_str(&item);
    }
    Ok(between.alike(out))
}

/// `markup.name(given)`
pub fn call(run: &mut Run, text: &std::sync::Arc<str>, name: &str, given: Given) -> Result<Value> {
    let mut given = given;
    // The argument that gets into the result.
    let put_in = match name {
        "replace" | "ljust" | "rjust" | "center" => 1,
        _ => usize::MAX,
    };
    if let Some(value) = given.pos.get_mut(put_in) {
        *value = Value::str(escaped(run, value)?);
    }
    match name {
        "escape" => {
            let [value] = given.bind(name, ["s"], 1)?;
            let value = value.unwrap_or(Value::None);
            return Ok(Value::Markup(escaped(run, &value)?.into()));
        }
        "striptags" => {
            let [] = given.bind(name, [], 0)?;
            return strip_tags(run, text).map(Value::str);
        }
        "unescape" => {
            let [] = given.bind(name, [], 0)?;
            return unescape(run, text).map(Value::str);
        }
        "join" => {
            let [items] = given.bind(name, ["iterable"], 1)?;
            let items = run.items(&items.unwrap_or(Value::None))?;
            return join(run, &Value::Markup(text.clone()), &items);
        }
        _ => {}
    }
    let marked = |value: &Value| match value {
        Value::Str(s) => Value::Markup(s.clone()),
        other => other.clone(),
    };
    Ok(match methods::call(run, text, name, given, true)? {
        Value::List(items) => Value::list(items.iter().map(marked).collect())?,
        Value::Tuple(items) => Value::tuple(items.iter().map(marked).collect())?,
        other => marked(&other),
    })
}

/// The text without comments and tags, each run of blanks as one.
pub fn strip_tags(run: &Run, text: &str) -> Result<String> {
    run.spend_text(text.len())?;
    let mut rest = text;
    let mut out = String::new();
    while let Some(start) = rest.find('<') {
        let from = &rest[start..];
        let end = match from.starts_with("<!--") {
            true => from[4..].find("-->").map(|at| at + 7),
            false => from.find('>').map(|at| at + 1),
        };
        let Some(end) = end else { break };
        out.push_str(&rest[..start]);
        rest = &from[end..];
    }
    out.push_str(rest);
    unescape(run, &words(&out, usize::MAX).join(" "))
}

/// A reference to a character: by number, or by a name with or without a semicolon.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"&(?:#([0-9]+|[xX][0-9a-fA-F]+);?|([^\t\n\x0c <&#;]{1,32});?)")
        .expect("the pattern is valid")
});

/// Python's `html.unescape` for numbers and the names of escaped characters; HTML has two thousand other names.
fn unescape(run: &Run, text: &str) -> Result<String> {
    run.spend_text(text.len())?;
    let mut failed = None;
    let out = REFERENCE.replace_all(text, |found: &Captures| {
        resolve(found).unwrap_or_else(|error| {
            failed = Some(error);
            String::new()
        })
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(out.into_owned()),
    }
}

fn resolve(found: &Captures) -> Result<String> {
    let whole = &found[0];
    if let Some(number) = found.get(1).map(|n| n.as_str()) {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        let plain = |c: &char| !c.is_control() || matches!(c, '\t' | '\n' | '\x0c');
        return code
            .ok()
            .and_then(char::from_u32)
            .filter(plain)
            // The last two code points of each plane are no characters.
            .filter(|c| *c as u32 & 0xfffe != 0xfffe && !('\u{fdd0}'..='\u{fdef}').contains(c))
            .map(String::from)
            .with_context(|| format!("the reference {whole:?} is not supported"));
    }
    Ok(match whole {
        "&amp;" => "&".into(),
        "&lt;" => "<".into(),
        "&gt;" => ">".into(),
        "&quot;" => "\"".into(),
        // No name of HTML begins otherwise.
        _ if !found[2].starts_with(|c: char| c.is_ascii_alphabetic()) => whole.into(),
        _ => bail!("the reference {whole:?} is not supported; write it as a number, such as &#38;"),
    })
}
