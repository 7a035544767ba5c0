//! Numbers and texts in the forms that `%` and `format` share.
//!
//! Tests: `tests/templates.rs`.

use anyhow::{bail, ensure, Result};

use super::methods::justify;
use super::run::Run;
use super::text::float;

/// Digits that a number may be written with.
pub(super) const MOST_DIGITS: usize = 1_000;

/// A format specification for a number or a text.
#[derive(Clone, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    pub(super) align: Option<char>,
    pub(super) sign: Option<char>,
    pub(super) alternate: bool,
    /// True to print negative zero without its sign.
    pub(super) unsigned_zero: bool,
    pub(super) zero: bool,
    pub(super) width: usize,
    pub(super) group: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

pub(super) fn character(n: i128) -> Result<String> {
    match u32::try_from(n).ok().and_then(char::from_u32) {
        Some(c) => Ok(c.into()),
        None => bail!("no character has the code {n}"),
    }
}

pub(super) fn sign(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    }
}

/// Zeros after sign and prefix, up to `width`.
pub(super) fn zeros(run: &Run, text: &str, width: usize) -> Result<String> {
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

pub(super) fn pad(run: &Run, spec: &Spec, text: &str, default: char) -> Result<String> {
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
pub(super) fn real(value: f64, spec: &Spec) -> Result<String> {
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

pub(super) fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

pub(super) fn general(value: f64, precision: usize, keep: bool) -> String {
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
pub(super) fn group(digits: &str, by: char, size: usize) -> String {
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
