//! `"%s" % value`.
//!
//! Tests: `tests/templates.rs`.

use std::cell::Cell;

use anyhow::{bail, ensure, Context, Result};

use super::format::{character, pad, real, sign, zeros, Spec};
use super::markup;
use super::numbers::{parse_int, to_float, to_int};
use super::ops::describe;
use super::run::Run;
use super::value::Value;

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
