//! `"%s" % value` and `"{}".format(value)`.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::{bail, ensure, Context, Result};

use super::call::Given;
use super::markup;
use super::methods::justify;
use super::numbers::{parse_int, to_float, to_int};
use super::ops::describe;
use super::run::Run;
use super::text::float;
use super::value::Value;

/// Digits that a number may be written with.
const MOST_DIGITS: usize = 1_000;

/// A format specification for a number or a text.
#[derive(Clone, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    /// True to print negative zero without its sign.
    unsigned_zero: bool,
    zero: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `format % args`; `escapes` if the format is marked as safe, so that the values are not.
pub fn percent(run: &Run, format: &str, args: &Value, escapes: bool) -> Result<String> {
    run.spend_text(format.len())?;
    let single = [args.clone()];
    let list: &[Value] = match args {
        Value::Tuple(items) => items,
        _ => &single,
    };
    let used = Cell::new(0usize);
    let next = || {
        let at = used.replace(used.get().saturating_add(1));
        list.get(at)
            .cloned()
            .context("expected more values for the format")
    };
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut named = false;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut value = None;
        if chars.next_if_eq(&'(').is_some() {
            let mut key = String::new();
            let mut depth = 1;
            loop {
                let c = chars
                    .next()
                    .context("expected the key in the format to end with \")\"")?;
                depth += i32::from(c == '(') - i32::from(c == ')');
                if depth == 0 {
                    break;
                }
                key.push(c);
            }
            let Value::Dict(dict) = args else {
                bail!(
                    "the format expects a dictionary, found a {}",
                    describe(args)
                );
            };
            // From here on, every value without a key is one too many.
            used.set(usize::MAX);
            named = true;
            value = Some(
                dict.get_str(&key)
                    .cloned()
                    .with_context(|| format!("unknown key {key:?} in the format"))?,
            );
        }
        let mut spec = Spec::default();
        let mut left = false;
        while let Some(flag) = chars.next_if(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => left = true,
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                '+' => spec.sign = Some('+'),
                _ => spec.sign = spec.sign.or(Some(' ')),
            }
        }
        let count = |chars: &mut std::iter::Peekable<std::str::Chars>| -> Result<Option<i128>> {
            if chars.next_if_eq(&'*').is_some() {
                ensure!(
                    !escapes,
                    "* is not supported in a string that is marked as safe"
                );
                return match next()?.as_int() {
                    Some(n) => Ok(Some(n)),
                    None => bail!("* in a format expects a whole number"),
                };
            }
            let mut n = None;
            while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
                chars.next();
                n = Some(
                    n.unwrap_or(0i128)
                        .saturating_mul(10)
                        .saturating_add(d.into()),
                );
                ensure!(n < Some(1 << 60), "a number in the format is too large");
            }
            Ok(n)
        };
        if let Some(width) = count(&mut chars)? {
            left |= width < 0;
            spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        }
        if chars.next_if_eq(&'.').is_some() {
            let precision = count(&mut chars)?.unwrap_or(0);
            spec.precision = Some(usize::try_from(precision).unwrap_or(0));
        }
        while chars.next_if(|c| "hlL".contains(*c)).is_some() {}
        let kind = chars.next().context("incomplete format")?;
        let value = match value {
            Some(value) => value,
            None => next()?,
        };
        let text = match escapes {
            true => percent_escaped(run, kind, &mut spec, &value)?,
            false => percent_one(run, kind, &mut spec, &value)?,
        };
        spec.align = Some(if left { '<' } else { '>' });
        let text = match spec.zero && !left && !"csra".contains(kind) {
            true => zeros(run, &text, spec.width)?,
            false => pad(run, &spec, &text, '>')?,
        };
        run.spend_text(text.len())?;
        out.push_str(&text);
    }
    let mapping = named || matches!(args, Value::Dict(_) | Value::List(_) | Value::Range(_));
    ensure!(
        mapping || used.get() >= list.len(),
        "expected fewer values for the format"
    );
    Ok(out)
}

/// One value in a format that is marked as safe: its text is escaped, and texts are read as numbers.
fn percent_escaped(run: &Run, kind: char, spec: &mut Spec, value: &Value) -> Result<String> {
    let text = match kind {
        's' => markup::escaped(run, value)?,
        'r' | 'a' => markup::escape(run, &run.repr(value, kind == 'a')?)?,
        'd' | 'i' | 'u' => {
            let whole = match value {
                Value::Str(s) | Value::Markup(s) => parse_int(s, 10),
                other => to_int(other, 10)?,
            };
            let whole =
                whole.with_context(|| format!("expected a number, found {}", describe(value)))?;
            return percent_one(run, kind, spec, &Value::Int(whole));
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let real = to_float(value)
                .with_context(|| format!("expected a number, found {}", describe(value)))?;
            return percent_one(run, kind, spec, &Value::Float(real));
        }
        _ => bail!("%{kind} is not supported in a string that is marked as safe"),
    };
    percent_one(run, 's', spec, &Value::str(text))
}

fn percent_one(run: &Run, kind: char, spec: &mut Spec, value: &Value) -> Result<String> {
    let text = |text: &str| match spec.precision {
        Some(n) => text.chars().take(n).collect(),
        None => text.to_owned(),
    };
    let whole = |n: i128, spec: &Spec| -> Result<String> {
        let digits = match kind {
            'x' => format!("{:x}", n.unsigned_abs()),
            'X' => format!("{:X}", n.unsigned_abs()),
            'o' => format!("{:o}", n.unsigned_abs()),
            _ => n.unsigned_abs().to_string(),
        };
        let digits = match spec.precision {
            Some(least) => zeros(run, &digits, least)?,
            None => digits,
        };
        let prefix = match (spec.alternate, kind) {
            (true, 'x') => "0x",
            (true, 'X') => "0X",
            (true, 'o') => "0o",
            _ => "",
        };
        Ok(format!("{}{prefix}{digits}", sign(n < 0, spec)))
    };
    Ok(match kind {
        's' => text(&run.to_text(value)?),
        'r' => text(&run.repr(value, false)?),
        'a' => text(&run.repr(value, true)?),
        'c' => match (value.as_str(), value.as_int()) {
            (Some(s), _) if s.chars().count() == 1 => s.to_owned(),
            (_, Some(n)) => character(n)?,
            _ => bail!("%c expects one character"),
        },
        'd' | 'i' | 'u' => match (value, value.as_int()) {
            (Value::Float(f), _) if f.is_finite() && f.abs() < 1e37 => whole(*f as i128, spec)?,
            (_, Some(n)) => whole(n, spec)?,
            _ => bail!("%{kind} expects a number, found a {}", describe(value)),
        },
        'x' | 'X' | 'o' => match value.as_int() {
            Some(n) => whole(n, spec)?,
            None => bail!(
                "%{kind} expects a whole number, found a {}",
                describe(value)
            ),
        },
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => match value.as_number() {
            Some(f) => {
                spec.kind = Some(kind);
                real(f, spec)?
            }
            None => bail!("%{kind} expects a number, found a {}", describe(value)),
        },
        other => bail!("unknown letter in the format: {other:?}"),
    })
}

fn character(n: i128) -> Result<String> {
    match u32::try_from(n).ok().and_then(char::from_u32) {
        Some(c) => Ok(c.into()),
        None => bail!("no character has the code {n}"),
    }
}

fn sign(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    }
}

/// Zeros after sign and prefix, up to `width`.
fn zeros(run: &Run, text: &str, width: usize) -> Result<String> {
    let missing = width.saturating_sub(text.chars().count());
    run.spend_text(missing)?;
    let mut at = usize::from(text.starts_with(['+', '-', ' ']));
    if text[at..].starts_with("0x")
        || text[at..].starts_with("0X")
        || text[at..].starts_with("0o")
        || text[at..].starts_with("0b")
    {
        at += 2;
    }
    Ok(format!(
        "{}{}{}",
        &text[..at],
        "0".repeat(missing),
        &text[at..]
    ))
}

fn pad(run: &Run, spec: &Spec, text: &str, default: char) -> Result<String> {
    let how = match spec.align.unwrap_or(default) {
        '<' => "ljust",
        '>' => "rjust",
        _ => "center",
    };
    let fill = spec.fill.unwrap_or(' ').to_string();
    let width = spec.width.min(i64::MAX as usize) as i128;
    if how == "center" {
        // Unlike `str.center`, the surplus is always on the right.
        let missing = spec.width.saturating_sub(text.chars().count());
        let half = justify(
            run,
            text,
            "rjust",
            (text.chars().count() + missing / 2) as i128,
            &fill,
        )?;
        return justify(run, &half, "ljust", width, &fill);
    }
    justify(run, text, how, width, &fill)
}

/// A float in the notation that `spec.kind` names, with its sign.
fn real(value: f64, spec: &Spec) -> Result<String> {
    let kind = spec.kind.unwrap_or('r');
    let precision = spec.precision.unwrap_or(6);
    ensure!(
        precision <= MOST_DIGITS,
        "cannot write a number with {precision} digits"
    );
    let negative = value.is_sign_negative() && !value.is_nan();
    let magnitude = value.abs();
    let digits = if !value.is_finite() {
        float(magnitude)
    } else {
        match kind.to_ascii_lowercase() {
            'e' => exponential(magnitude, precision),
            'f' => format!("{magnitude:.precision$}"),
            '%' => format!("{:.precision$}", magnitude * 100.0),
            'g' => general(magnitude, precision.max(1), spec.alternate),
            _ => match spec.precision {
                None => float(magnitude),
                Some(n) => {
                    let text = general(magnitude, n.max(1), spec.alternate);
                    match text.contains(['.', 'e']) {
                        true => text,
                        false => text + ".0",
                    }
                }
            },
        }
    };
    let digits = match spec.alternate && value.is_finite() && !digits.contains('.') {
        // The point stays even without digits after it.
        true => {
            let end = digits.find('e').unwrap_or(digits.len());
            format!("{}.{}", &digits[..end], &digits[end..])
        }
        false => digits,
    };
    let nothing = || !digits.contains(|c: char| c.is_ascii_digit() && c != '0');
    let negative = negative && !(spec.unsigned_zero && value.is_finite() && nothing());
    let digits = match kind {
        'E' | 'F' | 'G' => digits.to_uppercase(),
        _ => digits,
    };
    let grouped = match spec.group {
        Some(by) => group(&digits, by, 3),
        None => digits,
    };
    let unit = if kind == '%' { "%" } else { "" };
    Ok(format!("{}{grouped}{unit}", sign(negative, spec)))
}

fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn general(value: f64, precision: usize, keep: bool) -> String {
    let scientific = exponential(value, precision - 1);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    let short = |digits: &str| match digits.contains('.') && !keep {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits.to_owned(),
    };
    if power < -4 || power >= precision as i32 {
        return format!("{}e{exponent}", short(digits));
    }
    let decimals = (precision as i32 - 1 - power).max(0) as usize;
    short(&format!("{value:.decimals$}"))
}

/// A mark between each `size` digits of the whole part.
fn group(digits: &str, by: char, size: usize) -> String {
    let end = digits
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(digits.len());
    let mut out = String::new();
    for (i, c) in digits[..end].chars().enumerate() {
        if i > 0 && (end - i) % size == 0 {
            out.push(by);
        }
        out.push(c);
    }
    out + &digits[end..]
}

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
