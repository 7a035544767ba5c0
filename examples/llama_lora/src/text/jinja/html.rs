//! The filters `xmlattr` and `urlize`.
//!
//! Tests: `tests/templates.rs`.

use std::sync::LazyLock;

use anyhow::{bail, ensure, Result};
use regex::Regex;

use super::call::Given;
use super::markup::{escape, escaped};
use super::methods::number;
use super::ops::describe;
use super::run::Run;
use super::text::{char_range, is_space};
use super::value::Value;

/// `{"a": 1}` as ` a="1"`.
pub fn attributes(run: &Run, value: &Value, given: Given) -> Result<Value> {
    let [space] = given.bind("xmlattr", ["autospace"], 0)?;
    let Value::Dict(dict) = value else {
        bail!("xmlattr expects a dictionary, found a {}", describe(value));
    };
    let mut out = Vec::new();
    for (key, value) in &dict.entries {
        if matches!(value, Value::None | Value::Undefined(_)) {
            continue;
        }
        let Some(name) = key.as_str() else {
            bail!("xmlattr expects names, found a {}", describe(key));
        };
        ensure!(
            !name.contains(|c: char| c.is_ascii_whitespace() || "\x0b/>=".contains(c)),
            "invalid name of an attribute: {name:?}"
        );
        let (name, value) = (escaped(run, key)?, escaped(run, value)?);
        out.push(format!("{name}=\"{value}\""));
    }
    let space = space.is_none_or(|s| s.is_true()) && !out.is_empty();
    let start = if space { " " } else { "" };
    Ok(Value::str(start.to_owned() + &out.join(" ")))
}

fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the pattern is valid")
}

static WEB: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^(
            (https?://|www\.) (([\w%-]+\.)+)? ([a-z]{2,63} | xn--[\w%]{2,59})
          | ([\w%-]{2,63}\.)+ (com|net|int|edu|gov|org|info|mil)
          | (https?://) ( \d{1,3}(\.\d{1,3}){3} | \[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}] )
        ) (:\d{1,5})? ([/?\#]\S*)? $",
    )
});
static MAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\S+@\w[\w.-]*\.\w+$"));
static BEFORE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:[(<]|&lt;)+"));
static BEHIND: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:[)>.,\n]|&gt;)+$"));
static SCHEME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[\w.+-]{2,}:/{0,2}$"));

/// The text with links in place of addresses.
pub fn urlize(run: &Run, value: &Value, given: Given) -> Result<Value> {
    let names = [
        "trim_url_limit",
        "nofollow",
        "target",
        "rel",
        "extra_schemes",
    ];
    let [limit, nofollow, target, rel, schemes] = given.bind("urlize", names, 0)?;
    let there = |v: Option<Value>| v.filter(|v| !matches!(v, Value::None));
    let limit = there(limit).map(|n| number("urlize", &n)).transpose()?;
    let shorter = |url: &str| match limit {
        Some(limit) if url.chars().count() as i128 > limit => {
            let kept = match limit {
                0.. => limit,
                _ => (url.chars().count() as i128 + limit).max(0),
            };
            format!("{}...", char_range(url, 0, kept as usize))
        }
        _ => url.to_owned(),
    };
    let rel = there(rel).map(|r| run.to_text(&r)).transpose()?;
    let mut rels: Vec<&str> = rel.iter().flat_map(|r| r.split(is_space)).collect();
    rels.push("noopener");
    if nofollow.is_some_and(|n| n.is_true()) {
        rels.push("nofollow");
    }
    rels.retain(|r| !r.is_empty());
    rels.sort_unstable();
    rels.dedup();
    let mut more = format!(" rel=\"{}\"", escape(run, &rels.join(" "))?);
    if let Some(target) = there(target).filter(Value::is_true) {
        more += &format!(" target=\"{}\"", escaped(run, &target)?);
    }
    let mut known = Vec::new();
    for scheme in there(schemes).map_or(Ok(Vec::new()), |s| run.items(&s))? {
        let Some(scheme) = scheme.as_text().filter(|s| SCHEME.is_match(s)) else {
            bail!("invalid scheme of an address: {}", describe(&scheme));
        };
        known.push(scheme.clone());
    }
    let text = escaped(run, value)?;
    run.spend_text(text.len().saturating_mul(4 + known.len()))?;
    let mut out = String::new();
    for part in text.split_inclusive(is_space) {
        let word = part.trim_end_matches(is_space);
        let head = BEFORE.find(word).map_or("", |m| m.as_str());
        let middle = &word[head.len()..];
        let tail = BEHIND.find(middle).map_or("", |m| m.as_str());
        let (mut middle, mut tail) = (&middle[..middle.len() - tail.len()], tail);
        for (open, close) in [("(", ")"), ("<", ">"), ("&lt;", "&gt;")] {
            let opened = middle.matches(open).count();
            if opened <= middle.matches(close).count() {
                continue;
            }
            // Closing signs belong to the address as far as it opens some.
            for _ in 0..opened.min(tail.matches(close).count()) {
                let end = tail.find(close).map_or(0, |at| at + close.len());
                let start = head.len();
                middle = &word[start..start + middle.len() + end];
                tail = &tail[end..];
            }
        }
        let link = |to: &str, more: &str, shown: &str| {
            format!("{head}<a href=\"{to}\"{more}>{shown}</a>{tail}")
        };
        let mailto = middle.strip_prefix("mailto:").filter(|m| MAIL.is_match(m));
        let is_mail = middle.contains('@')
            && !middle.starts_with("www.")
            && !middle.starts_with('@')
            && !middle.contains(':')
            && MAIL.is_match(middle);
        let scheme = || {
            known
                .iter()
                .any(|s| middle != &**s && middle.starts_with(&**s))
        };
        let linked = if WEB.is_match(middle) {
            let whole = middle.starts_with("https://") || middle.starts_with("http://");
            let start = if whole { "" } else { "https://" };
            link(&format!("{start}{middle}"), &more, &shorter(middle))
        } else if let Some(address) = mailto {
            link(middle, "", address)
        } else if is_mail {
            link(&format!("mailto:{middle}"), "", middle)
        } else if scheme() {
            link(middle, &more, middle)
        } else {
            word.to_owned()
        };
        run.spend_text(linked.len())?;
        out.push_str(&linked);
        out.push_str(&part[word.len()..]);
    }
    Ok(Value::str(out))
}
