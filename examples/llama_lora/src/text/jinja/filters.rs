//! Jinja's filters.
//!
//! Tests: `tests/templates.rs`.

use std::sync::LazyLock;

use anyhow::{bail, ensure, Context, Result};
use regex::Regex;

use super::call::Given;
use super::methods::{justify, number, replace};
use super::numbers::{file_size, round, to_float, to_int};
use super::ops::{self, describe};
use super::percent::percent;
use super::run::Run;
use super::sequences::{get, group_by, keyed, map, select, sort_key, sorted};
use super::syntax::{Cmp, Op};
use super::text::{capitalize, is_space, lines};
use super::text_filters::{pretty, title, truncate, url_encode};
use super::value::{Dict, Value, View};
use super::{html, json, markup, wrap};

/// Filters that there are; `random` is refused when it is reached.
const NAMES: [&str; 54] = [
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
    "pprint",
    "random",
    "striptags",
    "urlize",
    "wordwrap",
    "xmlattr",
];

pub fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Filters that take items only when theirs are taken.
const LAZY: [&str; 8] = [
    "batch",
    "map",
    "reject",
    "rejectattr",
    "select",
    "selectattr",
    "slice",
    "unique",
];

static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\w+").expect("the pattern is valid"));

/// `value | name(given)`
pub fn apply(run: &mut Run, name: &str, value: Value, given: Given) -> Result<Value> {
    run.spend(value.weight())?;
    let text = |run: &Run| run.to_text(&value);
    if let (Value::Once(once), true) = (&value, LAZY.contains(&name)) {
        // Python's filter takes the items later, so nothing else may take them until then.
        let left = once.rest()?;
        once.lent.set(true);
        return apply(run, name, Value::list(left)?, given);
    }
    match name {
        "upper" | "lower" | "capitalize" | "title" | "string" | "safe" | "e" | "escape"
        | "forceescape" | "wordcount" => {
            let [] = given.bind(name, [], 0)?;
            let s = text(run)?;
            Ok(match name {
                "upper" => value.alike(s.to_uppercase()),
                "lower" => value.alike(s.to_lowercase()),
                "capitalize" => value.alike(capitalize(&s)),
                "title" => Value::str(title(&s)),
                "wordcount" => Value::len_of(WORD.find_iter(&s).count()),
                "string" => value.alike(s),
                "safe" => Value::Markup(s),
                "forceescape" => Value::Markup(markup::escape(run, &s)?.into()),
                _ => Value::Markup(markup::escaped(run, &value)?.into()),
            })
        }
        "length" | "count" => {
            let [] = given.bind(name, [], 0)?;
            let len = match &value {
                Value::Loop(id) => Some(run.loops[*id].len),
                other => other.len(),
            };
            match len {
                Some(n) => Ok(Value::len_of(n)),
                None => bail!(
                    "expected a value with a length, found a {}",
                    describe(&value)
                ),
            }
        }
        "trim" => {
            let [chars] = given.bind(name, ["chars"], 0)?;
            let s = text(run)?;
            Ok(match chars {
                None | Some(Value::None) => value.alike(s.trim_matches(is_space)),
                Some(Value::Str(set) | Value::Markup(set)) => {
                    value.alike(s.trim_matches(|c| set.contains(c)))
                }
                Some(other) => bail!("trim expects a string, found a {}", describe(&other)),
            })
        }
        "default" | "d" => {
            let [default, boolean] = given.bind(name, ["default_value", "boolean"], 0)?;
            let replaces =
                value.is_undefined() || (boolean.is_some_and(|b| b.is_true()) && !value.is_true());
            Ok(match replaces {
                true => default.unwrap_or_else(|| Value::str("")),
                false => value,
            })
        }
        "tojson" => {
            let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
            json::dumps(run, &value, given.bind(name, names, 0)?).map(Value::str)
        }
        "replace" => {
            let [old, new, count] = given.bind(name, ["old", "new", "count"], 2)?;
            let of = |v: Option<Value>| run.to_text(&v.unwrap_or(Value::None));
            let count = match count {
                None | Some(Value::None) => -1,
                Some(n) => number(name, &n)?,
            };
            Ok(Value::str(replace(
                run,
                &text(run)?,
                &of(old)?,
                &of(new)?,
                count,
            )?))
        }
        "join" => {
            let [sep, attribute] = given.bind(name, ["d", "attribute"], 0)?;
            // Without autoescape, nothing is marked as safe afterwards.
            let sep = Value::Str(run.to_text(&sep.unwrap_or_else(|| Value::str("")))?);
            let mut items = run.items(&value)?;
            if let Some(attribute) = &attribute {
                for item in &mut items {
                    *item = get(run, item, attribute, None)?;
                }
            }
            markup::join(run, &sep, &items)
        }
        "first" => {
            let [] = given.bind(name, [], 0)?;
            let first = match &value {
                Value::Once(once) => once.next()?,
                other => run.items(other)?.into_iter().next(),
            };
            Ok(first
                .unwrap_or_else(|| Value::Undefined("expected a first item, found none".into())))
        }
        "last" => {
            let [] = given.bind(name, [], 0)?;
            ensure!(
                !matches!(value, Value::Once(_)),
                "a generator has no last item; make a list of it first"
            );
            let last = run.items(&value)?.pop();
            // Python goes backwards by subscripts, which keep the mark.
            let last = last.map(|last| match last {
                Value::Str(s) if value.is_markup() => Value::Markup(s),
                other => other,
            });
            Ok(last.unwrap_or_else(|| Value::Undefined("expected a last item, found none".into())))
        }
        "list" => {
            let [] = given.bind(name, [], 0)?;
            Value::list(run.items(&value)?)
        }
        "reverse" => {
            let [] = given.bind(name, [], 0)?;
            match &value {
                Value::Str(s) | Value::Markup(s) => {
                    Ok(value.alike(s.chars().rev().collect::<String>()))
                }
                _ => {
                    let mut items = run.items(&value)?;
                    items.reverse();
                    Value::once(items)
                }
            }
        }
        "items" => {
            let [] = given.bind(name, [], 0)?;
            match &value {
                Value::Undefined(_) => Value::once(Vec::new()),
                Value::Dict(d) => Value::once(d.view(View::Items)?),
                other => bail!("items expects a dictionary, found a {}", describe(other)),
            }
        }
        "attr" => {
            let [attribute] = given.bind(name, ["name"], 1)?;
            let Some(Value::Str(attribute) | Value::Markup(attribute)) = attribute else {
                bail!("attr expects the name of an attribute");
            };
            if let Value::Undefined(why) = &value {
                bail!("{why}");
            }
            let missing = || {
                Value::Undefined(
                    format!("a {} has no attribute {attribute:?}", value.type_name()).into(),
                )
            };
            Ok(run
                .python_attribute(&value, &attribute)?
                .unwrap_or_else(missing))
        }
        "int" => {
            let [default, base] = given.bind(name, ["default", "base"], 0)?;
            let base = base.map_or(Ok(10), |b| number(name, &b))?;
            to_int(&value, base).map(|n| match n {
                Some(n) => Value::Int(n),
                None => default.unwrap_or(Value::Int(0)),
            })
        }
        "float" => {
            let [default] = given.bind(name, ["default"], 0)?;
            if let Value::Undefined(why) = &value {
                bail!("{why}");
            }
            Ok(match to_float(&value) {
                Some(f) => Value::Float(f),
                None => default.unwrap_or(Value::Float(0.0)),
            })
        }
        "abs" => {
            let [] = given.bind(name, [], 0)?;
            match (&value, value.as_int()) {
                (Value::Float(f), _) => Ok(Value::Float(f.abs())),
                (_, Some(n)) if n < 0 => ops::negative(&Value::Int(n)),
                (_, Some(n)) => Ok(Value::Int(n)),
                _ => bail!("abs expects a number, found a {}", describe(&value)),
            }
        }
        "round" => round(&value, given),
        "sum" => {
            let [attribute, start] = given.bind(name, ["attribute", "start"], 0)?;
            let mut sum = start.unwrap_or(Value::Int(0));
            ensure!(sum.as_str().is_none(), "sum cannot add strings; use join");
            for mut item in run.items(&value)? {
                if let Some(attribute) = attribute.as_ref().filter(|a| !matches!(a, Value::None)) {
                    item = get(run, &item, attribute, None)?;
                }
                sum = ops::binary(run, Op::Add, &sum, &item)?;
            }
            Ok(sum)
        }
        "min" | "max" => {
            let [sensitive, attribute] = given.bind(name, ["case_sensitive", "attribute"], 0)?;
            let cmp = if name == "min" { Cmp::Lt } else { Cmp::Gt };
            let mut best: Option<(Value, Value)> = None;
            for item in run.items(&value)? {
                let key = sort_key(run, &item, attribute.as_ref(), sensitive.as_ref())?;
                let better = match &best {
                    Some((least, _)) => run.compare(cmp, &key, least)?,
                    None => true,
                };
                if better {
                    best = Some((key, item));
                }
            }
            Ok(best.map_or_else(
                || Value::Undefined("expected one item or more, found none".into()),
                |b| b.1,
            ))
        }
        "sort" => {
            let [reverse, sensitive, attribute] =
                given.bind(name, ["reverse", "case_sensitive", "attribute"], 0)?;
            let items = run.items(&value)?;
            let keyed = keyed(run, items, |run, item| {
                // Several attributes may be named at once.
                let Some(names) = attribute.as_ref().and_then(Value::as_str) else {
                    return sort_key(run, item, attribute.as_ref(), sensitive.as_ref());
                };
                let keys = names
                    .split(',')
                    .map(|name| sort_key(run, item, Some(&Value::str(name)), sensitive.as_ref()));
                Value::list(keys.collect::<Result<_>>()?)
            })?;
            Value::list(sorted(run, keyed, reverse.is_some_and(|r| r.is_true()))?)
        }
        "unique" => {
            let [sensitive, attribute] = given.bind(name, ["case_sensitive", "attribute"], 0)?;
            let mut seen = Dict::default();
            let mut out = Vec::new();
            for item in run.items(&value)? {
                let key = sort_key(run, &item, attribute.as_ref(), sensitive.as_ref())?;
                if seen.get(&key)?.is_none() {
                    seen.set(key, Value::None)?;
                    out.push(item);
                }
            }
            Value::once(out)
        }
        "groupby" => group_by(run, &value, given),
        "dictsort" => {
            let [sensitive, by, reverse] =
                given.bind(name, ["case_sensitive", "by", "reverse"], 0)?;
            let Value::Dict(d) = &value else {
                bail!(
                    "dictsort expects a dictionary, found a {}",
                    describe(&value)
                );
            };
            let by = match by.as_ref().map(|b| b.as_str()) {
                None | Some(Some("key")) => 0,
                Some(Some("value")) => 1,
                _ => bail!("dictsort expects \"key\" or \"value\" to sort by"),
            };
            let keyed = keyed(run, d.view(View::Items)?, |run, item| {
                let Value::Tuple(pair) = item else {
                    bail!("expected a pair");
                };
                sort_key(run, &pair[by], None, sensitive.as_ref())
            })?;
            Value::list(sorted(run, keyed, reverse.is_some_and(|r| r.is_true()))?)
        }
        "map" => map(run, &value, given),
        "select" | "reject" | "selectattr" | "rejectattr" => select(run, name, &value, given),
        "batch" => {
            let [size, fill] = given.bind(name, ["linecount", "fill_with"], 1)?;
            let size = number(name, &size.unwrap_or(Value::None))?;
            let size = usize::try_from(size)
                .ok()
                .filter(|&n| n > 0)
                .context("batch expects a size of 1 or more")?;
            let items = run.items(&value)?;
            let mut rows: Vec<Vec<Value>> = items.chunks(size).map(<[Value]>::to_vec).collect();
            if let (Some(fill), Some(last)) =
                (fill.filter(|f| !matches!(f, Value::None)), rows.last_mut())
            {
                run.spend(size - last.len())?;
                last.resize(size, fill);
            }
            Value::once(rows.into_iter().map(Value::list).collect::<Result<_>>()?)
        }
        "slice" => {
            let [parts, fill] = given.bind(name, ["slices", "fill_with"], 1)?;
            let parts = number(name, &parts.unwrap_or(Value::None))?;
            let parts = usize::try_from(parts)
                .ok()
                .filter(|&n| n > 0)
                .context("slice expects a number of 1 or more")?;
            let items = run.items(&value)?;
            run.spend(parts)?;
            let (each, longer) = (items.len() / parts, items.len() % parts);
            let mut rest = items.into_iter();
            let mut out = Vec::new();
            for i in 0..parts {
                let mut row: Vec<Value> =
                    rest.by_ref().take(each + usize::from(i < longer)).collect();
                if let Some(fill) = fill.as_ref().filter(|f| !matches!(f, Value::None)) {
                    if i >= longer {
                        row.push(fill.clone());
                    }
                }
                out.push(Value::list(row)?);
            }
            Value::once(out)
        }
        "indent" => {
            let [width, first, blank] = given.bind(name, ["width", "first", "blank"], 0)?;
            let yes = |v: Option<Value>| v.is_some_and(|v| v.is_true());
            let pad = match width {
                None => "    ".to_owned(),
                Some(Value::Str(s)) => s.to_string(),
                Some(Value::Markup(s)) if value.is_markup() => s.to_string(),
                Some(n) => {
                    let n = usize::try_from(number(name, &n)?).unwrap_or(0);
                    run.spend_text(n)?;
                    " ".repeat(n)
                }
            };
            let Some(s) = value.as_str() else {
                bail!("indent expects a string, found a {}", describe(&value));
            };
            let s = format!("{s}\n");
            let (first, blank) = (yes(first), yes(blank));
            let mut out = String::new();
            for (i, line) in lines(&s, false).into_iter().enumerate() {
                run.spend_text(pad.len() + line.len())?;
                if i > 0 {
                    out.push('\n');
                }
                if (i > 0 && (blank || !line.is_empty())) || (i == 0 && first) {
                    out.push_str(&pad);
                }
                out.push_str(line);
            }
            Ok(value.alike(out))
        }
        "center" => {
            let [width] = given.bind(name, ["width"], 0)?;
            let width = width.map_or(Ok(80), |w| number(name, &w))?;
            Ok(value.alike(justify(run, &text(run)?, "center", width, " ")?))
        }
        "truncate" => {
            ensure!(
                value.as_str().is_some() || value.is_undefined(),
                "truncate expects a string, found a {}",
                describe(&value)
            );
            truncate(run, &value, given)
        }
        "format" => {
            let s = text(run)?;
            ensure!(
                given.pos.is_empty() || given.named.is_empty(),
                "format expects values by place or by name, not both"
            );
            let args = if given.named.is_empty() {
                Value::tuple(given.pos)?
            } else {
                Value::dict(given.named.into_iter().map(|(n, v)| (Value::Str(n), v)))?
            };
            let text = percent(run, &s, &args, value.is_markup())?;
            Ok(value.alike(text))
        }
        "urlencode" => {
            let [] = given.bind(name, [], 0)?;
            url_encode(run, &value)
        }
        "filesizeformat" => {
            let [binary] = given.bind(name, ["binary"], 0)?;
            let bytes = to_float(&value)
                .with_context(|| format!("expected a size, found {}", describe(&value)))?;
            Ok(Value::str(file_size(
                bytes,
                binary.is_some_and(|b| b.is_true()),
            )))
        }
        "striptags" => {
            let [] = given.bind(name, [], 0)?;
            markup::strip_tags(run, &text(run)?).map(Value::str)
        }
        "pprint" => {
            let [] = given.bind(name, [], 0)?;
            pretty(run, &value)
        }
        "urlize" => html::urlize(run, &value, given),
        "wordwrap" => wrap::wrap(run, &value, given),
        "xmlattr" => html::attributes(run, &value, given),
        _ if is_known(name) => bail!("the filter {name:?} is not supported"),
        _ => bail!("unknown filter {name:?}"),
    }
}
