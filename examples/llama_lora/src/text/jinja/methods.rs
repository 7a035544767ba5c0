//! Methods of texts.
//!
//! Tests: `tests/templates.rs`.

use std::sync::{Arc, LazyLock};

use anyhow::{bail, ensure, Result};
use regex::Regex;
use unicase::UniCase;

use super::braces::braces;
use super::call::Given;
use super::ops::describe;
use super::run::Run;
use super::text;
use super::text::{capitalize, char_range, is_cased, is_printable, is_space, lines, title, words};
use super::value::Value;

/// The methods of Python's `str`.
pub const NAMES: [&str; 47] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];

/// Digits that make no decimal number, such as ² and ①: Unicode's `Numeric_Type=Digit`.
const OTHER_DIGITS: &str = concat!(
    r"\u{b2}-\u{b3}\u{b9}\u{1369}-\u{1371}\u{19da}\u{2070}\u{2074}-\u{2079}\u{2080}-\u{2089}",
    r"\u{2460}-\u{2468}\u{2474}-\u{247c}\u{2488}-\u{2490}\u{24ea}\u{24f5}-\u{24fd}\u{24ff}",
    r"\u{2776}-\u{277e}\u{2780}-\u{2788}\u{278a}-\u{2792}\u{10a40}-\u{10a43}\u{10e60}-\u{10e68}",
    r"\u{11052}-\u{1105a}\u{1f100}-\u{1f10a}",
);

/// Letters that stand for numbers, such as 五: Unicode's `Numeric_Type=Numeric` among the ideographs.
const NUMERALS: &str = concat!(
    r"\u{3405}\u{3483}\u{382a}\u{3b4d}\u{4e00}\u{4e03}\u{4e07}\u{4e09}\u{4e5d}\u{4e8c}\u{4e94}",
    r"\u{4e96}\u{4ebf}-\u{4ec0}\u{4edf}\u{4ee8}\u{4f0d}\u{4f70}\u{5104}\u{5146}\u{5169}\u{516b}",
    r"\u{516d}\u{5341}\u{5343}-\u{5345}\u{534c}\u{53c1}-\u{53c4}\u{56db}\u{58f1}\u{58f9}\u{5e7a}",
    r"\u{5efe}-\u{5eff}\u{5f0c}-\u{5f0e}\u{5f10}\u{62fe}\u{634c}\u{67d2}\u{6f06}\u{7396}\u{767e}",
    r"\u{8086}\u{842c}\u{8cae}\u{8cb3}\u{8d30}\u{9621}\u{9646}\u{964c}\u{9678}\u{96f6}\u{f96b}",
    r"\u{f973}\u{f978}\u{f9b2}\u{f9d1}\u{f9d3}\u{f9fd}\u{20001}\u{20064}\u{200e2}\u{20121}\u{2092a}",
    r"\u{20983}\u{2098c}\u{2099c}\u{20aea}\u{20afd}\u{20b19}\u{22390}\u{22998}\u{23b1b}\u{2626d}",
    r"\u{2f890}",
);

fn class(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is valid")
}

static ALPHA: LazyLock<Regex> = LazyLock::new(|| class(r"^\p{L}+$"));
static DECIMAL: LazyLock<Regex> = LazyLock::new(|| class(r"^\p{Nd}+$"));
static DIGIT: LazyLock<Regex> = LazyLock::new(|| class(&format!(r"^[\p{{Nd}}{OTHER_DIGITS}]+$")));
static NUMERIC: LazyLock<Regex> = LazyLock::new(|| class(&format!(r"^[\p{{N}}{NUMERALS}]+$")));
static ALNUM: LazyLock<Regex> = LazyLock::new(|| class(&format!(r"^[\p{{L}}\p{{N}}{NUMERALS}]+$")));
static IDENTIFIER: LazyLock<Regex> =
    LazyLock::new(|| class(r"^[_\p{XID_Start}]\p{XID_Continue}*$"));

/// `text.name(given)`; `safe` if the text is marked as safe.
pub fn call(run: &mut Run, text: &Arc<str>, name: &str, given: Given, safe: bool) -> Result<Value> {
    let s = &**text;
    let plain = |given: Given, out: String| -> Result<Value> {
        let [] = given.bind(name, [], 0)?;
        Ok(Value::str(out))
    };
    let test = |given: Given, out: bool| -> Result<Value> {
        let [] = given.bind(name, [], 0)?;
        Ok(Value::Bool(out))
    };
    let cased = |upper: bool| {
        s.chars().any(is_cased)
            && s.chars().all(|c| {
                !is_cased(c)
                    || if upper {
                        c.is_uppercase()
                    } else {
                        c.is_lowercase()
                    }
            })
    };
    run.spend_text(s.len())?;
    match name {
        "upper" => plain(given, s.to_uppercase()),
        "lower" => plain(given, s.to_lowercase()),
        "casefold" => plain(given, UniCase::unicode(s).to_folded_case()),
        "title" => plain(given, title(s)),
        "capitalize" => plain(given, capitalize(s)),
        "swapcase" => {
            let swap = |c: char| match c.is_uppercase() {
                true => c.to_lowercase().collect::<String>(),
                false => c.to_uppercase().collect(),
            };
            plain(given, s.chars().map(swap).collect())
        }
        "strip" | "lstrip" | "rstrip" => {
            let [chars] = given.bind(name, ["<chars>"], 0)?;
            let set = optional_text(name, chars)?;
            let within = |c: char| match &set {
                Some(set) => set.contains(c),
                None => is_space(c),
            };
            let mut out = s;
            if name != "rstrip" {
                out = out.trim_start_matches(within);
            }
            if name != "lstrip" {
                out = out.trim_end_matches(within);
            }
            Ok(Value::str(out))
        }
        "split" | "rsplit" => {
            let [sep, most] = given.bind(name, ["sep", "maxsplit"], 0)?;
            let most = match most {
                Some(n) => usize::try_from(number(name, &n)?).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let parts = match optional_text(name, sep)? {
                Some(sep) => {
                    ensure!(
                        !sep.is_empty(),
                        "{name} expects a separator that is not empty"
                    );
                    let limit = most.saturating_add(1);
                    match name {
                        "split" => s.splitn(limit, &*sep).collect(),
                        _ => reversed(s.rsplitn(limit, &*sep).collect()),
                    }
                }
                None if name == "split" => words(s, most),
                None => last_words(s, most),
            };
            texts(run, parts)
        }
        "splitlines" => {
            let [keep] = given.bind(name, ["keepends"], 0)?;
            texts(run, lines(s, keep.is_some_and(|k| k.is_true())))
        }
        "partition" | "rpartition" => {
            let [sep] = given.bind(name, ["<sep>"], 1)?;
            let sep = required_text(name, sep)?;
            ensure!(
                !sep.is_empty(),
                "{name} expects a separator that is not empty"
            );
            let parts = match name {
                "partition" => match s.split_once(&*sep) {
                    Some((a, b)) => [a, &sep, b],
                    None => [s, "", ""],
                },
                _ => match s.rsplit_once(&*sep) {
                    Some((a, b)) => [a, &sep, b],
                    None => ["", "", s],
                },
            };
            Value::tuple(parts.map(Value::str).into())
        }
        "replace" => {
            let [old, new, count] = given.bind(name, ["<old>", "<new>", "<count>"], 2)?;
            let (old, new) = (required_text(name, old)?, required_text(name, new)?);
            let count = count.map_or(Ok(-1), |c| number(name, &c))?;
            Ok(Value::str(replace(run, s, &old, &new, count)?))
        }
        "join" => {
            let [items] = given.bind(name, ["<items>"], 1)?;
            let items = run.items(&items.unwrap_or(Value::None))?;
            let mut out = String::new();
            for (i, item) in items.iter().enumerate() {
                let Some(item) = item.as_str() else {
                    bail!("join expects strings, found a {}", describe(item));
                };
                run.spend_text(item.len() + s.len())?;
                if i > 0 {
                    out.push_str(s);
                }
                out.push_str(item);
            }
            Ok(Value::str(out))
        }
        "startswith" | "endswith" => {
            let [what, start, end] = given.bind(name, ["<prefix>", "<start>", "<end>"], 1)?;
            let (_, part, within) = window(name, s, start, end)?;
            let hit = |what: &Value| match what.as_str() {
                Some(what) if name == "startswith" => Ok(within && part.starts_with(what)),
                Some(what) => Ok(within && part.ends_with(what)),
                None => bail!("{name} expects a string or a tuple of strings"),
            };
            match what.unwrap_or(Value::None) {
                Value::Tuple(all) => {
                    for what in all.iter() {
                        if hit(what)? {
                            return Ok(Value::Bool(true));
                        }
                    }
                    Ok(Value::Bool(false))
                }
                one => Ok(Value::Bool(hit(&one)?)),
            }
        }
        "find" | "rfind" | "index" | "rindex" => {
            let [what, start, end] = given.bind(name, ["<sub>", "<start>", "<end>"], 1)?;
            let what = required_text(name, what)?;
            let (offset, part, within) = window(name, s, start, end)?;
            let found = match name {
                "find" | "index" => part.find(&*what),
                _ => part.rfind(&*what),
            };
            match found.filter(|_| within) {
                Some(at) => Ok(Value::len_of(offset + part[..at].chars().count())),
                None if name.ends_with("find") => Ok(Value::Int(-1)),
                None => bail!("{what:?} is not in the text"),
            }
        }
        "count" => {
            let [what, start, end] = given.bind(name, ["<sub>", "<start>", "<end>"], 1)?;
            let what = required_text(name, what)?;
            let (_, part, within) = window(name, s, start, end)?;
            Ok(Value::len_of(if within {
                part.matches(&*what).count()
            } else {
                0
            }))
        }
        "removeprefix" => {
            let [what] = given.bind(name, ["<prefix>"], 1)?;
            Ok(Value::str(
                s.strip_prefix(&*required_text(name, what)?).unwrap_or(s),
            ))
        }
        "removesuffix" => {
            let [what] = given.bind(name, ["<suffix>"], 1)?;
            Ok(Value::str(
                s.strip_suffix(&*required_text(name, what)?).unwrap_or(s),
            ))
        }
        "zfill" => {
            let [width] = given.bind(name, ["<width>"], 1)?;
            let width = number(name, &width.unwrap_or(Value::None))?;
            let missing = missing(run, s, width)?;
            let sign = usize::from(s.starts_with(['+', '-']));
            Ok(Value::str(format!(
                "{}{}{}",
                &s[..sign],
                "0".repeat(missing),
                &s[sign..]
            )))
        }
        "ljust" | "rjust" | "center" => {
            let [width, fill] = given.bind(name, ["<width>", "<fillchar>"], 1)?;
            let width = number(name, &width.unwrap_or(Value::None))?;
            let fill = optional_text(name, fill)?.unwrap_or(" ".into());
            ensure!(
                fill.chars().count() == 1,
                "{name} expects one character to fill with, found {fill:?}"
            );
            Ok(Value::str(justify(run, s, name, width, &fill)?))
        }
        "expandtabs" => {
            let [size] = given.bind(name, ["tabsize"], 0)?;
            let size = size.map_or(Ok(8), |n| number(name, &n))?.max(0);
            let mut out = String::new();
            let mut column = 0;
            for c in s.chars() {
                if c == '\t' {
                    let blanks = if size == 0 { 0 } else { size - column % size };
                    run.spend_text(usize::try_from(blanks).unwrap_or(usize::MAX))?;
                    out.push_str(&" ".repeat(blanks as usize));
                    column += blanks;
                } else {
                    out.push(c);
                    column = if c == '\n' || c == '\r' {
                        0
                    } else {
                        column + 1
                    };
                }
            }
            Ok(Value::str(out))
        }
        "isalpha" => test(given, ALPHA.is_match(s)),
        "isdecimal" => test(given, DECIMAL.is_match(s)),
        "isdigit" => test(given, DIGIT.is_match(s)),
        "isnumeric" => test(given, NUMERIC.is_match(s)),
        "isalnum" => test(given, ALNUM.is_match(s)),
        "isidentifier" => test(given, IDENTIFIER.is_match(s)),
        "isascii" => test(given, s.is_ascii()),
        "isspace" => test(given, !s.is_empty() && s.chars().all(is_space)),
        "isprintable" => test(given, s.chars().all(is_printable)),
        "islower" => test(given, cased(false)),
        "isupper" => test(given, cased(true)),
        "istitle" => test(given, s.chars().any(is_cased) && text::title(s) == s),
        "format" => braces(run, s, given, safe).map(Value::str),
        "format_map" => {
            let [map] = given.bind(name, ["<mapping>"], 1)?;
            let Some(Value::Dict(map)) = map else {
                bail!("format_map expects a dictionary");
            };
            let named = map.entries.iter().filter_map(|(k, v)| match k {
                Value::Str(k) | Value::Markup(k) => Some((k.clone(), v.clone())),
                _ => None,
            });
            let given = Given {
                named: named.collect(),
                ..Given::default()
            };
            braces(run, s, given, safe).map(Value::str)
        }
        "maketrans" => maketrans(run, given),
        "translate" => {
            let [table] = given.bind(name, ["<table>"], 1)?;
            let Some(Value::Dict(table)) = table else {
                bail!("translate expects a dictionary");
            };
            let mut out = String::new();
            for c in s.chars() {
                match table.get(&Value::Int(c as i128))? {
                    None => out.push(c),
                    Some(Value::None) => {}
                    Some(Value::Str(to) | Value::Markup(to)) => {
                        run.spend_text(to.len())?;
                        out.push_str(to);
                    }
                    Some(other) => match other
                        .as_int()
                        .and_then(|n| char::from_u32(u32::try_from(n).ok()?))
                    {
                        Some(to) => out.push(to),
                        None => bail!(
                            "translate expects strings or characters, found a {}",
                            describe(other)
                        ),
                    },
                }
            }
            Ok(Value::str(out))
        }
        _ => bail!("the method {name:?} of strings is not supported"),
    }
}

fn maketrans(run: &Run, given: Given) -> Result<Value> {
    let [from, to, gone] = given.bind("maketrans", ["<x>", "<y>", "<z>"], 1)?;
    let mut entries = Vec::new();
    let code = |c: char| Value::Int(c as i128);
    match (from.unwrap_or(Value::None), to) {
        (Value::Dict(dict), None) => {
            for (key, value) in &dict.entries {
                let key = match key.as_str().map(|k| (k.chars().next(), k.chars().count())) {
                    Some((Some(c), 1)) => code(c),
                    Some(_) => bail!("maketrans expects single characters"),
                    None => key.clone(),
                };
                entries.push((key, value.clone()));
            }
        }
        (from, to) => {
            let (from, to) = (
                required_text("maketrans", Some(from))?,
                required_text("maketrans", to)?,
            );
            ensure!(
                from.chars().count() == to.chars().count(),
                "maketrans expects two strings of the same length"
            );
            run.spend(from.len())?;
            entries.extend(from.chars().map(code).zip(to.chars().map(code)));
            if let Some(gone) = gone {
                entries.extend(
                    required_text("maketrans", Some(gone))?
                        .chars()
                        .map(|c| (code(c), Value::None)),
                );
            }
        }
    }
    Value::dict(entries)
}

/// `text.replace(old, new, count)`
pub fn replace(run: &Run, text: &str, old: &str, new: &str, count: i128) -> Result<String> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let hits = text.matches(old).count().min(count);
    run.spend_text(text.len().saturating_add(hits.saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, hits))
}

/// Returns the number of characters that pad `text` to `width`, and charges the run for them.
fn missing(run: &Run, text: &str, width: i128) -> Result<usize> {
    let missing = usize::try_from(width)
        .unwrap_or(0)
        .saturating_sub(text.chars().count());
    run.spend_text(missing.saturating_mul(4).saturating_add(text.len()))?;
    Ok(missing)
}

/// `ljust`, `rjust` and `center`.
pub fn justify(run: &Run, text: &str, how: &str, width: i128, fill: &str) -> Result<String> {
    let missing = missing(run, text, width)?;
    let left = match how {
        "ljust" => 0,
        "rjust" => missing,
        // If the padding is odd, the surplus is on the left if the width is odd.
        _ => missing / 2 + (missing & width as usize & 1),
    };
    Ok(format!(
        "{}{text}{}",
        fill.repeat(left),
        fill.repeat(missing - left)
    ))
}

pub fn number(what: &str, value: &Value) -> Result<i128> {
    match value.as_int() {
        Some(n) => Ok(n.clamp(i64::MIN.into(), i64::MAX.into())),
        None => bail!("{what} expects a whole number, found a {}", describe(value)),
    }
}

fn optional_text(what: &str, value: Option<Value>) -> Result<Option<Arc<str>>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Str(s) | Value::Markup(s)) => Ok(Some(s)),
        Some(other) => bail!("{what} expects a string, found a {}", describe(&other)),
    }
}

fn required_text(what: &str, value: Option<Value>) -> Result<Arc<str>> {
    match value {
        Some(Value::Str(s) | Value::Markup(s)) => Ok(s),
        Some(other) => bail!("{what} expects a string, found a {}", describe(&other)),
        None => bail!("{what} expects a string"),
    }
}

fn texts(run: &Run, parts: Vec<&str>) -> Result<Value> {
    run.spend(parts.len())?;
    Value::list(parts.into_iter().map(Value::str).collect())
}

fn reversed<T>(mut items: Vec<T>) -> Vec<T> {
    items.reverse();
    items
}

/// Parts between blanks, cut at most `most` times from the right.
fn last_words(text: &str, most: usize) -> Vec<&str> {
    let mut rest = text.trim_end_matches(is_space);
    let mut out = Vec::new();
    while !rest.is_empty() {
        if out.len() == most {
            out.push(rest);
            break;
        }
        let start = rest
            .char_indices()
            .rfind(|&(_, c)| is_space(c))
            .map_or(0, |(i, c)| i + c.len_utf8());
        out.push(&rest[start..]);
        rest = rest[..start].trim_end_matches(is_space);
    }
    reversed(out)
}

/// The characters `start..end` of `text`, the number of characters before them, and false if `start` is past the end.
fn window<'s>(
    what: &str,
    text: &'s str,
    start: Option<Value>,
    end: Option<Value>,
) -> Result<(usize, &'s str, bool)> {
    let len = text.chars().count();
    let bound = |value: Option<Value>, default: usize| -> Result<usize> {
        match value {
            None | Some(Value::None) => Ok(default),
            Some(value) => {
                let n = number(what, &value)?;
                let n = if n < 0 { (n + len as i128).max(0) } else { n };
                Ok(usize::try_from(n).unwrap_or(usize::MAX))
            }
        }
    };
    let (start, end) = (bound(start, 0)?, bound(end, len)?.min(len));
    if start > end {
        return Ok((start, "", false));
    }
    Ok((start, char_range(text, start, end), true))
}
