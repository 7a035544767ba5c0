//! JSON as Python's `json` writes it, read strictly: `NaN`, `Infinity` and numbers beyond float64 are allowed in values
//! that nothing reads, and a duplicate key is an error.
//!
//! Tests: unit tests below.

use std::borrow::Cow;
use std::fmt;

use anyhow::{anyhow, Result};
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};

/// Begins the text that stands for a number which JSON cannot hold.
const MARK: &str = "\0number: ";

/// Reads a JSON text. A byte order mark at its beginning is skipped. `NaN`, `Infinity`, `-Infinity`
/// and numbers that float64 cannot hold become values that [`not_finite`] knows.
///
/// # Errors
/// If the text is no JSON, or an object has a key twice.
pub fn parse(text: &str) -> Result<Value> {
    let text = mark(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut reader = serde_json::Deserializer::from_str(&text);
    let Strict(value) = Strict::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads a JSON text into `T`, as [`parse`] does.
///
/// # Errors
/// As [`parse`], and if a value is missing or of another type than `T` needs.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_value(parse(text)?).map_err(|e| anyhow!(e.to_string().replace(MARK, "")))
}

/// The text of a number that is not finite, as the file has it.
pub fn not_finite(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(MARK)
}

/// The first number that is not finite in `value`, however deep it lies.
pub fn first_not_finite(value: &Value) -> Option<&str> {
    match value {
        Value::Array(list) => list.iter().find_map(first_not_finite),
        Value::Object(map) => map.values().find_map(first_not_finite),
        one => not_finite(one),
    }
}

/// A value as the file has it, cut short.
pub fn shown(value: &Value) -> String {
    let text = not_finite(value).map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

/// `text` with every number that is not finite made into a text with a mark.
fn mark(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let (mut out, mut copied) = (String::new(), 0);
    let (mut i, mut quoted) = (0, false);
    while i < bytes.len() {
        let start = i;
        match bytes[i] {
            b'\\' if quoted => i += 2,
            b'"' => {
                quoted = !quoted;
                i += 1;
            }
            b'N' | b'I' | b'-' | b'0'..=b'9' if !quoted => {
                let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
                i += bytes[i..].iter().take_while(|b| part(b)).count();
                let token = &text[start..i];
                let digits = token
                    .trim_start_matches('-')
                    .starts_with(|c: char| c.is_ascii_digit());
                if matches!(token, "NaN" | "Infinity" | "-Infinity")
                    || digits && token.parse().is_ok_and(f64::is_infinite)
                {
                    out += &text[copied..start];
                    out += &Value::from(format!("{MARK}{token}")).to_string();
                    copied = i;
                }
            }
            _ => i += 1,
        }
    }
    match copied {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(out + &text[copied..]),
    }
}

/// A value in which each key of an object is unique.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(Build).map(Strict)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> std::result::Result<Value, E> {
        Ok(n.into())
    }

    fn visit_u64<E>(self, n: u64) -> std::result::Result<Value, E> {
        Ok(n.into())
    }

    fn visit_f64<E>(self, n: f64) -> std::result::Result<Value, E> {
        Ok(Number::from_f64(n).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> std::result::Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} comes twice")));
            }
            let Strict(value) = map.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_json_is_read_as_serde_json_reads_it() {
        for text in [
            r#"{"a": [1, -2, 2.5e-3, true, null, "NaN \" Infinity \\"], "b": {"c": 1e308}}"#,
            "[]",
            " 18446744073709551615 ",
            "-9223372036854775808",
            r#""\u0041 1e999""#,
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text).unwrap(), plain, "{text}");
        }
        assert_eq!(parse("\u{feff}[1]").unwrap(), json!([1]));
    }

    #[test]
    fn numbers_that_are_not_finite_are_kept_by_their_text() {
        let value = parse(r#"{"a": NaN, "b": [1, -Infinity], "c": 1e999, "d": "NaN"}"#).unwrap();
        assert_eq!(not_finite(&value["a"]), Some("NaN"));
        assert_eq!(first_not_finite(&value["b"]), Some("-Infinity"));
        assert_eq!(shown(&value["c"]), "1e999");
        assert_eq!(not_finite(&value["d"]), None);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for (text, word) in [
            ("", "EOF"),
            ("{\"a\": 1, \"a\": 2}", "\"a\" comes twice"),
            ("[{\"b\": {\"c\": 1, \"c\": 1}}]", "\"c\" comes twice"),
            ("NaNa", "expected"),
            ("[1] 2", "trailing"),
            ("{\"a\": \"", "EOF"),
            ("\"\\", "EOF"),
            ("nan", "expected"),
            ("-", "EOF"),
            (&"[".repeat(100_000), "recursion limit"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text:.20}: {error}");
        }
    }
}
