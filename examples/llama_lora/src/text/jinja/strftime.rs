//! Python's `datetime.now().strftime`.
//!
//! Tests: unit tests below.

use anyhow::{bail, Result};
use chrono::{DateTime, Local, NaiveDateTime};

/// The present local time in `format`.
pub fn now(format: &str) -> Result<String> {
    let now: DateTime<Local> = Local::now();
    strftime(format, now.naive_local(), now.timestamp())
}

/// Formats `time`, which is `stamp` seconds after 1970, by `format`: every code of C's `strftime`, and an error for
/// others.
fn strftime(format: &str, time: NaiveDateTime, stamp: i64) -> Result<String> {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut code = chars.next();
        // `%-d` leaves the padding out, `%_d` pads with blanks, `%0d` with zeros.
        let pad = code.filter(|c| "-_0".contains(*c));
        if pad.is_some() {
            code = chars.next();
        }
        match code {
            Some('%') if pad.is_none() => out.push('%'),
            Some('n') if pad.is_none() => out.push('\n'),
            Some('t') if pad.is_none() => out.push('\t'),
            Some('f') if pad.is_none() => out.push_str(&time.format("%6f").to_string()),
            Some('s') if pad.is_none() => out.push_str(&stamp.to_string()),
            // The time names no zone, as in Python.
            Some('z' | 'Z') if pad.is_none() => {}
            Some(
                code @ ('a' | 'A' | 'b' | 'B' | 'h' | 'c' | 'x' | 'X' | 'D' | 'F' | 'r' | 'R' | 'T'
                | 'p' | 'P'),
            ) if pad.is_none() => {
                out.push_str(&time.format(&format!("%{code}")).to_string());
            }
            Some(code) if "CdegGHIjklmMSuUVwWyY".contains(code) => {
                let pad = pad.map(String::from).unwrap_or_default();
                out.push_str(&time.format(&format!("%{pad}{code}")).to_string());
            }
            Some(code) => bail!(
                "strftime_now: unknown code %{}{code}",
                pad.map(String::from).unwrap_or_default()
            ),
            None => bail!("strftime_now: the format {format:?} ends inside a code"),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use serde_json::Value;

    use super::*;

    /// The codes and dates that `templates/dump.py` wrote with Python.
    #[test]
    fn each_code_is_written_as_python_does() {
        let dump: Value =
            serde_json::from_str(include_str!("../../../tests/templates/dump.json")).unwrap();
        let cases = dump["dates"].as_array().unwrap();
        assert!(cases.len() > 100);
        for case in cases {
            let time =
                NaiveDateTime::parse_from_str(case[0].as_str().unwrap(), "%Y-%m-%dT%H:%M:%S%.f")
                    .unwrap();
            let stamp = chrono::Utc.from_utc_datetime(&time).timestamp();
            let format = case[1].as_str().unwrap();
            let expected = case[2].as_str().unwrap();
            assert_eq!(
                strftime(format, time, stamp).unwrap(),
                expected,
                "{format} of {time}"
            );
        }
    }

    #[test]
    fn unknown_codes_are_errors() {
        for format in [
            "%Q", "%", "%E", "%:z", "%v", "%-", "%-%", "%+", "%L", "% d", "%^a",
        ] {
            assert!(
                strftime(format, NaiveDateTime::default(), 0).is_err(),
                "{format}"
            );
        }
        assert!(now("%Y").unwrap().parse::<u32>().unwrap() > 2000);
    }
}
