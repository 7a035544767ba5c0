//! `"{}".format(value)`.
//!
//! Tests: `tests/templates.rs`.

use std::sync::Arc;

use anyhow::{bail, ensure, Context, Result};

use super::call::Given;
use super::format::{character, group, pad, real, sign, zeros, Spec};
use super::markup;
use super::ops::describe;
use super::run::Run;
use super::value::Value;

/// `format.format(given)`; `escapes` if the format is marked as safe, so that the values are not.
pub fn braces(run: &mut Run, format: &str, given: Given, escapes: bool) -> Result<String> {
    let mut auto = 0;
    braces_in(run, format, &given, &mut auto, 3, escapes)
}

fn braces_in(
    run: &mut Run,
    format: &str,
    given: &Given,
    auto: &mut usize,
    depth: usize,
    escapes: bool,
) -> Result<String> {
    ensure!(depth > 0, "too many nested braces in the format");
    run.spend_text(format.len())?;
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        ensure!(brace == "{", "unmatched }} in the format");
        let mut open = 1;
        let end = rest.char_indices().find(|&(_, c)| {
            open += i32::from(c == '{') - i32::from(c == '}');
            open == 0
        });
        let (end, _) = end.context("unmatched { in the format")?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        // A bracket may hold the signs that end a name.
        let mut inside = false;
        let name_end = field.find(|c: char| {
            inside = (inside || c == '[') && c != ']';
            !inside && (c == '!' || c == ':')
        });
        let (name, tail) = field.split_at(name_end.unwrap_or(field.len()));
        let (conversion, spec) = match tail.strip_prefix('!') {
            Some(tail) => {
                let mut chars = tail.chars();
                let letter = chars.next();
                ensure!(letter.is_some(), "invalid field of the format: {field:?}");
                let after = chars.as_str();
                let spec = after.strip_prefix(':');
                ensure!(
                    after.is_empty() || spec.is_some(),
                    "invalid field of the format: {field:?}"
                );
                (letter, spec.unwrap_or(""))
            }
            None => (None, tail.strip_prefix(':').unwrap_or("")),
        };
        let value = field_value(run, name, given, auto)?;
        let value = match conversion {
            None => value,
            Some('s') => Value::Str(run.to_text(&value)?),
            Some('r') => Value::str(run.repr(&value, false)?),
            Some('a') => Value::str(run.repr(&value, true)?),
            Some(other) => bail!("unknown conversion in the format: {other:?}"),
        };
        let spec = braces_in(run, spec, given, auto, depth - 1, escapes)?;
        ensure!(
            !escapes || !value.is_markup() || spec.is_empty(),
            "a string that is marked as safe takes no format {spec:?}"
        );
        let mut text = formatted(run, &value, &spec)?;
        if escapes && !value.is_markup() {
            text = markup::escape(run, &text)?.into();
        }
        run.spend_text(text.len())?;
        out.push_str(&text);
    }
    out.push_str(rest);
    Ok(out)
}

/// The value that a field such as `0`, `name`, `a.b` or `a[0]` names.
fn field_value(run: &mut Run, field: &str, given: &Given, auto: &mut usize) -> Result<Value> {
    let end = field.find(['.', '[']).unwrap_or(field.len());
    let (first, mut rest) = field.split_at(end);
    // Once fields are numbered, all must be, and the other way round.
    const NUMBERED: usize = usize::MAX;
    let mut value = if first.is_empty() || first.bytes().all(|b| b.is_ascii_digit()) {
        let index = if first.is_empty() {
            ensure!(
                *auto != NUMBERED,
                "the format mixes numbered fields with others"
            );
            *auto += 1;
            *auto - 1
        } else {
            ensure!(
                *auto == 0 || *auto == NUMBERED,
                "the format mixes numbered fields with others"
            );
            *auto = NUMBERED;
            first.parse()?
        };
        given
            .pos
            .get(index)
            .cloned()
            .context("expected more values for the format")?
    } else {
        let found = given.named.iter().find(|(n, _)| **n == *first);
        found
            .map(|(_, v)| v.clone())
            .with_context(|| format!("the format needs {first:?}"))?
    };
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            value = run.attribute(&value, &after[..end])?;
            rest = &after[end..];
        } else {
            let after = rest
                .strip_prefix('[')
                .context("invalid field of the format")?;
            let (key, tail) = after.split_once(']').context("unmatched [ in the format")?;
            let key = match key.parse::<u32>() {
                Ok(n) => Value::Int(n.into()),
                Err(_) => Value::str(key),
            };
            value = run.item(&value, &key)?;
            rest = tail;
        }
    }
    Ok(value)
}

fn parse(text: &str) -> Result<Spec> {
    let mut spec = Spec::default();
    let mut chars: Vec<char> = text.chars().collect();
    chars.reverse();
    let aligns = |c: Option<&char>| c.is_some_and(|c| "<>=^".contains(*c));
    if chars.len() >= 2 && aligns(chars.get(chars.len() - 2)) {
        spec.fill = chars.pop();
        spec.align = chars.pop();
    } else if aligns(chars.last()) {
        spec.align = chars.pop();
    }
    if chars.last().is_some_and(|c| "+- ".contains(*c)) {
        spec.sign = chars.pop();
    }
    let flag = |chars: &mut Vec<char>, flag: char| {
        let found = chars.last() == Some(&flag);
        if found {
            chars.pop();
        }
        found
    };
    spec.unsigned_zero = flag(&mut chars, 'z');
    spec.alternate = flag(&mut chars, '#');
    spec.zero = flag(&mut chars, '0');
    let number = |chars: &mut Vec<char>| -> Result<Option<usize>> {
        let mut n = None;
        while let Some(d) = chars.last().and_then(|c| c.to_digit(10)) {
            chars.pop();
            n = Some(
                n.unwrap_or(0usize)
                    .saturating_mul(10)
                    .saturating_add(d as usize),
            );
            ensure!(n < Some(1 << 60), "a number in the format is too large");
        }
        Ok(n)
    };
    spec.width = number(&mut chars)?.unwrap_or(0);
    if chars.last().is_some_and(|c| ",_".contains(*c)) {
        spec.group = chars.pop();
    }
    if flag(&mut chars, '.') {
        spec.precision =
            Some(number(&mut chars)?.context("expected a number after the dot of the format")?);
    }
    spec.kind = chars.pop();
    ensure!(chars.is_empty(), "invalid format {text:?}");
    Ok(spec)
}

/// Python's `format(value, spec)`.
fn formatted(run: &Run, value: &Value, spec: &str) -> Result<Arc<str>> {
    if spec.is_empty() {
        return run.to_text(value);
    }
    let mut spec = parse(spec)?;
    if spec.zero {
        spec.fill = spec.fill.or(Some('0'));
    }
    if let Some(s) = value.as_text() {
        let ok = matches!(spec.kind, None | Some('s'))
            && spec.sign.is_none()
            && !spec.alternate
            && !spec.unsigned_zero
            && spec.group.is_none();
        ensure!(
            ok && spec.align != Some('='),
            "the format does not fit a string"
        );
        let text: String = match spec.precision {
            Some(n) => s.chars().take(n).collect(),
            None => s.to_string(),
        };
        return Ok(pad(run, &spec, &text, '<')?.into());
    }
    let text = match (value, value.as_int(), spec.kind) {
        (_, Some(n), None | Some('d' | 'n' | 'b' | 'o' | 'x' | 'X' | 'c')) => {
            ensure!(
                spec.precision.is_none() && !spec.unsigned_zero,
                "whole numbers have no precision in a format"
            );
            let grouped = match spec.group {
                None => true,
                Some(',') => matches!(spec.kind, None | Some('d')),
                Some(_) => !matches!(spec.kind, Some('n' | 'c')),
            };
            let bare = spec.sign.is_none() && !spec.alternate;
            ensure!(
                grouped && (bare || spec.kind != Some('c')),
                "the format does not fit a whole number"
            );
            let magnitude = n.unsigned_abs();
            let (digits, prefix) = match spec.kind {
                Some('b') => (format!("{magnitude:b}"), "0b"),
                Some('o') => (format!("{magnitude:o}"), "0o"),
                Some('x') => (format!("{magnitude:x}"), "0x"),
                Some('X') => (format!("{magnitude:X}"), "0X"),
                Some('c') => (character(n)?, ""),
                _ => (magnitude.to_string(), ""),
            };
            let size = if prefix.is_empty() { 3 } else { 4 };
            let digits = match spec.group {
                Some(by) => group(&digits, by, size),
                None => digits,
            };
            let prefix = if spec.alternate { prefix } else { "" };
            format!("{}{prefix}{digits}", sign(n < 0, &spec))
        }
        (_, _, None | Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) => match value.as_number() {
            Some(f) => real(f, &spec)?,
            None => bail!("a {} does not support a format", describe(value)),
        },
        _ => bail!("the format does not fit a {}", describe(value)),
    };
    let inside = spec.align == Some('=') || (spec.align.is_none() && spec.zero);
    if inside && spec.fill.is_none_or(|f| f == '0') && spec.zero {
        ensure!(
            spec.group.is_none(),
            "zeros and a separator in one format are not supported"
        );
        return Ok(zeros(run, &text, spec.width)?.into());
    }
    if inside {
        // The fill goes between the sign and the digits.
        let at = usize::from(text.starts_with(['+', '-', ' ']));
        let width = spec.width.saturating_sub(at);
        let digits = pad(
            run,
            &Spec {
                align: Some('>'),
                width,
                ..spec
            },
            &text[at..],
            '>',
        )?;
        return Ok(format!("{}{digits}", &text[..at]).into());
    }
    Ok(pad(run, &spec, &text, '>')?.into())
}
