//! Changed copies of a seed: of bytes, of text, and of the tokens of Rust.
//!
//! Tests: `tests/short.rs`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::random::Random;

/// Numbers at which parsers tend to break.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
    "1e999",
    "-1e999",
    ".00001",
    "1e-400",
    "0x7f",
    "NaN",
    "inf",
    "1.5",
    "1_000",
    "00",
];

/// The way in which a target's seeds are mutated.
#[derive(Clone, Copy)]
pub enum Form {
    /// Bytes, as in a file with a binary header.
    Bytes,
    /// Text, of which words and numbers are replaced too.
    Text,
    /// Rust.
    Tokens,
}

/// A changed copy of one of the seeds.
pub fn changed(seeds: &[Vec<u8>], form: Form, random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(seeds).cloned().unwrap_or_default();
    if let Form::Tokens = form {
        return tokens(seeds, &input, random);
    }
    for _ in 0..1 + random.below(6) {
        match (form, random.below(10)) {
            (Form::Text, 0..=3) => words(&mut input, random),
            (_, 9) => {
                if let Some(other) = random.pick(seeds) {
                    let part = range(other.len(), random);
                    let at = random.below(input.len() + 1);
                    input.splice(at..at, other[part].iter().copied());
                }
            }
            _ => bytes(&mut input, random),
        }
        // After each change, because repeated pieces grow like a power.
        input.truncate(1 << 16);
    }
    input
}

fn range(len: usize, random: &mut Random) -> std::ops::Range<usize> {
    let from = random.below(len + 1);
    let most = (len - from).min(64);
    from..from + random.below(most + 1)
}

fn bytes(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len().max(1));
    match random.below(7) {
        0 => {
            if let Some(b) = input.get_mut(at) {
                *b ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(b) = input.get_mut(at) {
                *b = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'\n'][random.below(8)];
            }
        }
        2 => {
            // A whole little-endian number.
            let value =
                [0u64, 1, u64::MAX, i64::MAX as u64, 1 << 32, 1 << 40, 255][random.below(7)];
            let size = [1, 2, 4, 8][random.below(4)];
            for (b, new) in input
                .iter_mut()
                .skip(at)
                .take(size)
                .zip(value.to_le_bytes())
            {
                *b = new;
            }
        }
        3 => {
            let part = range(input.len(), random);
            input.drain(part);
        }
        4 => {
            let copy = input[range(input.len(), random)].to_vec();
            let at = at.min(input.len());
            input.splice(at..at, copy);
        }
        5 => input.truncate(at),
        _ => input.insert(at.min(input.len()), random.number() as u8),
    }
}

/// Replaces one number or word, or repeats a piece often.
fn words(input: &mut Vec<u8>, random: &mut Random) {
    let text = String::from_utf8_lossy(input).into_owned();
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let mut from = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        match (inside, from) {
            (true, None) => from = Some(i),
            (false, Some(start)) => {
                starts.push((start, i));
                from = None;
            }
            _ => {}
        }
    }
    let Some((start, end)) = random.pick(&starts).copied() else {
        return;
    };
    let new = match random.below(5) {
        0 | 1 => NUMBERS[random.below(NUMBERS.len())].to_string(),
        2 => random
            .pick(&starts)
            .map(|(a, b)| text[*a..*b].to_string())
            .unwrap_or_default(),
        3 => [
            "",
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\u{feff}",
            "é\u{301}",
            "~",
            "[[[[",
            "{{",
        ][random.below(11)]
        .to_string(),
        _ => text[start..end].repeat(1 + random.below(200)),
    };
    *input = format!("{}{new}{}", &text[..start], &text[end..]).into_bytes();
}

/// The tokens of a text in a row, with each bracket as a separate token.
pub fn flat(stream: TokenStream, all: &mut Vec<String>) {
    let mut todo = vec![stream.into_iter()];
    let mut ends: Vec<&str> = Vec::new();
    while let Some(tokens) = todo.last_mut() {
        match tokens.next() {
            None => {
                todo.pop();
                all.extend(ends.pop().map(String::from));
            }
            Some(TokenTree::Group(g)) => {
                let (open, close) = match g.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                all.push(open.to_string());
                ends.push(close);
                todo.push(g.stream().into_iter());
            }
            Some(TokenTree::Punct(p)) => {
                // A joined punctuation stays joined: `->`, `::`.
                let joint = p.spacing() == proc_macro2::Spacing::Joint;
                all.push(format!(
                    "{}{}",
                    p.as_char(),
                    if joint { "\u{1}" } else { "" }
                ));
            }
            Some(other) => all.push(other.to_string()),
        }
    }
}

fn lexed(text: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    let text = String::from_utf8_lossy(text);
    if let Ok(stream) = text.parse::<TokenStream>() {
        flat(stream, &mut all);
    }
    all
}

const TOKENS: &[&str] = &[
    "self",
    "Self",
    "_",
    "crate",
    "mut",
    "ref",
    "as f32",
    "..",
    "?",
    "&",
    "&mut",
    "!",
    "-",
    "->",
    "=>",
    "::",
    ";",
    ",",
    "=",
    "==",
    "%",
    "/",
    "||",
    "&&",
    "r#type",
    "config",
    "config.hidden",
    "layer",
    "cache",
    "'a",
    "\"\"",
    "\"{}\"",
    "b\"x\"",
    "'c'",
    "()",
    "[]",
    "{}",
    "#[param]",
    "#[param()]",
    "#[weights]",
    "#[require()]",
    "#[when()]",
    "#[layers]",
    "#[rope]",
    "#[quantize]",
    "#[tied]",
    "#[lora]",
    "Tensor![]",
    "Tensor![B; i32]",
    "rearrange!(\"\")",
    "if",
    "else",
    "for",
    "let",
    "return",
    "loop {}",
    "|x| x",
    "x.0",
    "KvCache::off()",
    "Option<Linear>",
    "Vec<Net>",
    "true",
    "-> Tensor![B]",
    "where",
    "dyn",
    "async",
    "\u{e9}",
    "f32",
    "u32",
    "bool",
    "causal",
];

fn tokens(seeds: &[Vec<u8>], seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut all = lexed(seed);
    for _ in 0..1 + random.below(5) {
        let at = random.below(all.len().max(1)).min(all.len());
        match random.below(12) {
            0 if at < all.len() => {
                all.remove(at);
            }
            1 if at < all.len() => all.insert(at, all[at].clone()),
            2 if all.len() > 1 => {
                let other = random.below(all.len());
                all.swap(at.min(other), other);
            }
            3 => all.insert(at, TOKENS[random.below(TOKENS.len())].to_string()),
            4 if at < all.len() => all[at] = TOKENS[random.below(TOKENS.len())].to_string(),
            5 if at < all.len() => all[at] = NUMBERS[random.below(NUMBERS.len())].to_string(),
            6 => {
                // A literal of the seed becomes another number.
                let digit = |t: &String| t.starts_with(|c: char| c.is_ascii_digit());
                let places: Vec<usize> = (0..all.len()).filter(|i| digit(&all[*i])).collect();
                if let Some(i) = random.pick(&places) {
                    all[*i] = NUMBERS[random.below(NUMBERS.len())].to_string();
                }
            }
            7 => {
                let part = range(all.len(), random);
                all.drain(part);
            }
            8 => {
                let part = range(all.len(), random);
                let copy = all[part].to_vec();
                all.splice(at..at, copy);
            }
            9 => {
                // A balanced piece of another seed.
                let other = random.pick(seeds).map(|s| lexed(s)).unwrap_or_default();
                let from = random.below(other.len() + 1);
                let piece = balanced(&other[from..], 1 + random.below(24));
                all.splice(at..at, piece.iter().cloned());
            }
            10 if at < all.len() && random.below(20) == 0 => {
                let (open, close) =
                    [("(", ")"), ("{", "}"), ("[", "]"), ("- ", ""), ("! ", "")][random.below(5)];
                let n = 1 << random.below(12);
                all[at] = format!("{}{}{}", open.repeat(n), all[at], close.repeat(n));
            }
            11 if at < all.len() && random.below(20) == 0 => {
                let n = 1 << random.below(12);
                let piece = [
                    ".relu()",
                    "+ x",
                    "* 2",
                    "; let y = x",
                    ".0",
                    "as f32",
                    "else if x {}",
                ][random.below(7)];
                all.insert(at, piece.repeat(n));
            }
            _ => {}
        }
    }
    let mut text = String::new();
    for t in &all {
        match t.strip_suffix('\u{1}') {
            Some(joint) => text += joint,
            None => {
                text += t;
                text.push(' ');
            }
        }
    }
    text.into_bytes()
}

/// Up to `most` tokens, and the closing brackets that they need.
fn balanced(tokens: &[String], most: usize) -> &[String] {
    let mut depth = 0;
    for (i, t) in tokens.iter().enumerate() {
        match t.as_str() {
            "(" | "{" | "[" => depth += 1,
            ")" | "}" | "]" if depth == 0 => return &tokens[..i],
            ")" | "}" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && i + 1 >= most {
            return &tokens[..=i];
        }
    }
    &[]
}
