//! Texts and numbers as Python writes and sorts them.
//!
//! Tests: unit tests below.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Python's `str.isspace` for one character.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

static UNPRINTABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\p{C}\p{Z}]").expect("the pattern is valid"));

static DIGIT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\p{Nd}").expect("the pattern is valid"));

/// Python's `str.isprintable` for one character.
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    !UNPRINTABLE.is_match(c.encode_utf8(&mut [0; 4]))
}

/// `repr` of a text; `ascii` escapes all that is not ASCII.
pub fn quoted(text: &str, ascii: bool) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if (c.is_ascii() || !ascii) && is_printable(c) => out.push(c),
            c => match c as u32 {
                n @ 0..=0xff => out.push_str(&format!("\\x{n:02x}")),
                n @ 0x100..=0xffff => out.push_str(&format!("\\u{n:04x}")),
                n => out.push_str(&format!("\\U{n:08x}")),
            },
        }
    }
    out.push(quote);
    out
}

/// `repr` of a float: the fewest digits that give it back.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 {
            "inf".into()
        } else {
            "-inf".into()
        };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Upper case as it begins a word: of the digraphs, only the first letter.
pub fn title_char(c: char) -> String {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => "ǅ".into(),
        'Ǉ' | 'ǈ' | 'ǉ' => "ǈ".into(),
        'Ǌ' | 'ǋ' | 'ǌ' => "ǋ".into(),
        'Ǳ' | 'ǲ' | 'ǳ' => "ǲ".into(),
        'ŉ' => "ʼN".into(),
        _ => {
            let mut upper = c.to_uppercase();
            let first = upper.next().unwrap_or(c);
            let rest: String = upper.flat_map(char::to_lowercase).collect();
            format!("{first}{rest}")
        }
    }
}

/// `str.title`: each letter after a character that is no letter is a capital.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        let cased = is_cased(c);
        match (cased, inside) {
            (true, true) => out.extend(c.to_lowercase()),
            (true, false) => out.push_str(&title_char(c)),
            (false, _) => out.push(c),
        }
        inside = cased;
    }
    out
}

/// A letter that has an upper or a lower case.
pub fn is_cased(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase() || "ǅǈǋǲ".contains(c)
}

/// `str.capitalize`
pub fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => title_char(first) + &chars.as_str().to_lowercase(),
        None => String::new(),
    }
}

/// `str.splitlines`, line breaks kept or not.
pub fn lines(text: &str, keep: bool) -> Vec<&str> {
    let ends =
        |c: char| matches!(c, '\n'..='\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((i, c)) = rest.char_indices().find(|&(_, c)| ends(c)) {
        let mut end = i + c.len_utf8();
        if rest[i..].starts_with("\r\n") {
            end += 1;
        }
        out.push(&rest[..if keep { end } else { i }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

/// Parts between blanks, cut at most `most` times from the left.
pub fn words(text: &str, most: usize) -> Vec<&str> {
    let mut rest = text.trim_start_matches(is_space);
    let mut out = Vec::new();
    while !rest.is_empty() {
        if out.len() == most {
            out.push(rest);
            break;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        out.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(is_space);
    }
    out
}

/// Digits of every script as ASCII, which Python's numbers may be written in.
pub fn ascii_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let is_digit = |c: char| DIGIT.is_match(c.encode_utf8(&mut [0; 4]));
    let value = |c: char| {
        // Digits stand in tens, of which the first is a zero.
        let before = (0..c as u32).rev().map_while(char::from_u32);
        before.take_while(|c| is_digit(*c)).count() % 10
    };
    let digit = |c: char| match c.is_ascii() || !is_digit(c) {
        true => c,
        false => char::from_digit(value(c) as u32, 10).unwrap_or(c),
    };
    text.chars().map(digit).collect()
}

/// The bytes at which the characters `start..end` begin and end.
pub fn char_range(text: &str, start: usize, end: usize) -> &str {
    let mut at = text.char_indices().map(|(i, _)| i).chain([text.len()]);
    let from = at.nth(start).unwrap_or(text.len());
    let to = match end.checked_sub(start + 1) {
        Some(more) => at.nth(more).unwrap_or(text.len()),
        None => from,
    };
    &text[from..to]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_characters() {
        assert_eq!(char_range("aé世b", 1, 3), "é世");
        assert_eq!(char_range("aé世b", 3, 9), "b");
        assert_eq!(char_range("aé世b", 2, 2), "");
        assert_eq!(char_range("ab", 5, 9), "");
        assert_eq!(lines("a\r\nb\n\nc", true), ["a\r\n", "b\n", "\n", "c"]);
    }
}
