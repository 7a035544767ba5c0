//! Filters of numbers: `int`, `float`, `round` and `filesizeformat`.
//!
//! Tests: `tests/templates.rs`.

use anyhow::{bail, ensure, Result};

use super::call::Given;
use super::methods::number;
use super::ops::describe;
use super::text::{ascii_digits, is_space};
use super::value::Value;

/// Python's `int(text, base)`.
pub fn parse_int(text: &str, base: i128) -> Option<i128> {
    let text = ascii_digits(text.trim_matches(is_space));
    let text = &*text;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixed = |prefix: &str, of: i128| {
        (base == of || base == 0)
            .then(|| lower.strip_prefix(prefix))
            .flatten()
    };
    let (radix, digits) = match (prefixed("0x", 16), prefixed("0o", 8), prefixed("0b", 2)) {
        (Some(d), ..) => (16, d.strip_prefix('_').unwrap_or(d)),
        (_, Some(d), _) => (8, d.strip_prefix('_').unwrap_or(d)),
        (.., Some(d)) => (2, d.strip_prefix('_').unwrap_or(d)),
        _ => (if base == 0 { 10 } else { base }, &*lower),
    };
    let broken = digits.is_empty()
        || digits.starts_with(['_', '+', '-'])
        || digits.ends_with('_')
        || digits.contains("__");
    if broken || !(2..=36).contains(&radix) {
        return None;
    }
    let n = i128::from_str_radix(&digits.replace('_', ""), radix as u32).ok()?;
    Some(if negative { -n } else { n })
}

pub fn to_int(value: &Value, base: i128) -> Result<Option<i128>> {
    let truncated = |f: f64| match f.is_finite() && f.abs() < 1e38 {
        true => Some(f as i128),
        false => None,
    };
    Ok(match value {
        Value::Str(s) | Value::Markup(s) => {
            parse_int(s, base).or_else(|| truncated(to_float(value)?))
        }
        Value::Float(f) if f.is_infinite() || f.abs() >= 1e38 => {
            bail!("{f} is too large for a whole number")
        }
        Value::Float(f) => truncated(*f),
        Value::Undefined(why) => bail!("{why}"),
        other => other.as_int(),
    })
}

pub fn to_float(value: &Value) -> Option<f64> {
    match value {
        Value::Str(s) | Value::Markup(s) => {
            let s = ascii_digits(s.trim_matches(is_space));
            let s = &*s;
            let inner = s.trim_matches(|c: char| c.is_ascii_digit());
            let broken = s.starts_with('_')
                || s.ends_with('_')
                || s.contains("__")
                || inner.starts_with("_.");
            match broken {
                true => None,
                false => s.replace('_', "").parse().ok(),
            }
        }
        other => other.as_number(),
    }
}

pub fn round(value: &Value, given: Given) -> Result<Value> {
    let [precision, method] = given.bind("round", ["precision", "method"], 0)?;
    let precision = precision.map_or(Ok(0), |p| number("round", &p))?;
    let method = method.unwrap_or_else(|| Value::str("common"));
    let Some(f) = value.as_number() else {
        bail!("round expects a number, found a {}", describe(value));
    };
    match method.as_str() {
        Some("common") => {}
        Some(method @ ("ceil" | "floor")) => {
            ensure!(
                precision.abs() <= 300,
                "unsupported precision {precision} of round"
            );
            let scale = 10f64.powi(precision as i32);
            let scaled = f * scale;
            let whole = if method == "ceil" {
                scaled.ceil()
            } else {
                scaled.floor()
            };
            // Python's floor and ceil give whole numbers, which know no -0.
            return Ok(Value::Float((whole + 0.0) / scale));
        }
        _ => bail!("round expects the method \"common\", \"ceil\" or \"floor\""),
    }
    if let Some(n) = value.as_int() {
        // Whole numbers are rounded to tens and so on, halves to the even one.
        let Some(unit) = u32::try_from(-precision)
            .ok()
            .and_then(|p| 10i128.checked_pow(p))
        else {
            return Ok(Value::Int(if precision < 0 { 0 } else { n }));
        };
        let down = n.div_euclid(unit);
        let twice = 2 * n.rem_euclid(unit);
        let up = twice > unit || (twice == unit && down % 2 != 0);
        return Ok(Value::Int((down + i128::from(up)) * unit));
    }
    if !f.is_finite() || precision > 330 {
        return Ok(Value::Float(f));
    }
    if precision < 0 {
        let scale = 10f64.powi((-precision).min(330) as i32);
        return Ok(Value::Float(if scale.is_finite() {
            (f / scale).round_ties_even() * scale
        } else {
            0.0
        }));
    }
    let digits = precision as usize;
    Ok(Value::Float(format!("{f:.digits$}").parse()?))
}

pub fn file_size(bytes: f64, binary: bool) -> String {
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if bytes == 1.0 {
        return "1 Byte".into();
    }
    if bytes < base {
        return format!("{} Bytes", bytes as i64);
    }
    let mut unit = base;
    let mut name = 'k';
    for letter in "kMGTPEZY".chars() {
        name = letter;
        unit *= base;
        if bytes < unit {
            break;
        }
    }
    let name = if binary {
        format!("{}i", name.to_ascii_uppercase())
    } else {
        name.into()
    };
    let size = base * bytes / unit;
    match size.is_nan() {
        true => format!("nan {name}B"),
        false => format!("{size:.1} {name}B"),
    }
}
