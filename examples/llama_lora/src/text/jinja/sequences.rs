//! Filters that go through items: in an order, in groups, by attributes and tests.
//!
//! Tests: `tests/templates.rs`.

use std::cmp::Ordering;

use anyhow::{bail, ensure, Result};

use super::call::Given;
use super::filters::apply;
use super::run::Run;
use super::tests;
use super::value::Value;

/// An attribute or a path of them, such as `function.name` or `0`.
pub fn get(run: &Run, item: &Value, path: &Value, default: Option<&Value>) -> Result<Value> {
    let step = |of: &Value, key: &Value| -> Result<Value> {
        let found = run.item(of, key)?;
        Ok(match (found.is_undefined(), default) {
            (true, Some(default)) => default.clone(),
            _ => found,
        })
    };
    let Some(text) = path.as_str() else {
        return match path {
            Value::None => Ok(item.clone()),
            _ => step(item, path),
        };
    };
    let mut value = item.clone();
    for part in text.split('.') {
        let key = match part.parse::<u32>() {
            Ok(n) if part.bytes().all(|b| b.is_ascii_digit()) => Value::Int(n.into()),
            _ => Value::str(part),
        };
        value = step(&value, &key)?;
    }
    Ok(value)
}

/// The value that stands for `item` in an order; letters count as small ones unless `sensitive`.
pub fn sort_key(
    run: &Run,
    item: &Value,
    attribute: Option<&Value>,
    sensitive: Option<&Value>,
) -> Result<Value> {
    let value = match attribute {
        None | Some(Value::None) => item.clone(),
        Some(path) => get(run, item, path, None)?,
    };
    Ok(match (&value, sensitive.is_some_and(Value::is_true)) {
        (Value::Str(s) | Value::Markup(s), false) => Value::str(s.to_lowercase()),
        _ => value,
    })
}

pub fn keyed(
    run: &Run,
    items: Vec<Value>,
    key: impl Fn(&Run, &Value) -> Result<Value>,
) -> Result<Vec<(Value, Value)>> {
    items
        .into_iter()
        .map(|item| Ok((key(run, &item)?, item)))
        .collect()
}

/// The items in the order of their keys; equal ones stay as they are.
pub fn sorted(run: &Run, mut items: Vec<(Value, Value)>, reverse: bool) -> Result<Vec<Value>> {
    let mut failed = None;
    items.sort_by(|(a, _), (b, _)| {
        let (a, b) = if reverse { (b, a) } else { (a, b) };
        if failed.is_some() {
            return Ordering::Equal;
        }
        match run.order(a, b, "<") {
            Ok(order) => order.unwrap_or(Ordering::Equal),
            Err(error) => {
                failed = Some(error);
                Ordering::Equal
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(items.into_iter().map(|i| i.1).collect()),
    }
}

pub fn group_by(run: &mut Run, value: &Value, given: Given) -> Result<Value> {
    let [attribute, default, sensitive] =
        given.bind("groupby", ["attribute", "default", "case_sensitive"], 1)?;
    let attribute = attribute.unwrap_or(Value::None);
    let default = default.filter(|d| !matches!(d, Value::None));
    let items = run.items(value)?;
    let keyed = keyed(run, items, |run, item| {
        let value = get(run, item, &attribute, default.as_ref())?;
        sort_key(run, &value, None, sensitive.as_ref())
    })?;
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for item in sorted(run, keyed, false)? {
        let found = get(run, &item, &attribute, default.as_ref())?;
        let key = sort_key(run, &found, None, sensitive.as_ref())?;
        match groups.last_mut() {
            Some((last, items)) if run.equal(last, &key)? => items.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    let named = groups.into_iter().map(|(_, items)| {
        let grouper = get(run, &items[0], &attribute, default.as_ref())?;
        Value::group(grouper, items)
    });
    Value::list(named.collect::<Result<_>>()?)
}

/// The items that a filter goes through one by one; anything that counts as false has none.
fn each(run: &Run, value: &Value) -> Result<Vec<Value>> {
    match value.is_true() {
        true => run.items(value),
        false => Ok(Vec::new()),
    }
}

pub fn map(run: &mut Run, value: &Value, mut given: Given) -> Result<Value> {
    let items = each(run, value)?;
    let mut out = Vec::with_capacity(items.len());
    if given.pos.is_empty() {
        let [attribute, default] = given.bind("map", ["attribute", "default"], 1)?;
        let attribute = attribute.unwrap_or(Value::None);
        let default = default.filter(|d| !matches!(d, Value::None));
        for item in &items {
            out.push(get(run, item, &attribute, default.as_ref())?);
        }
        return Value::once(out);
    }
    let filter = given.pos.remove(0);
    let Some(filter) = filter.as_str() else {
        bail!("map expects the name of a filter");
    };
    for item in items {
        let given = Given {
            pos: given.pos.clone(),
            named: given.named.clone(),
        };
        out.push(apply(run, filter, item, given)?);
    }
    Value::once(out)
}

/// `select`, `reject` and both with `attr`.
pub fn select(run: &mut Run, name: &str, value: &Value, mut given: Given) -> Result<Value> {
    let attribute = match name.ends_with("attr") {
        true => {
            ensure!(
                !given.pos.is_empty(),
                "{name} expects the name of an attribute"
            );
            Some(given.pos.remove(0))
        }
        false => None,
    };
    let test = match given.pos.is_empty() {
        true => None,
        false => Some(given.pos.remove(0)),
    };
    let wanted = name.starts_with("select");
    let mut out = Vec::new();
    for item in each(run, value)? {
        let of = match &attribute {
            Some(attribute) => get(run, &item, attribute, None)?,
            None => item.clone(),
        };
        let passes = match &test {
            None => of.is_true(),
            Some(test) => {
                let Some(test) = test.as_str() else {
                    bail!("{name} expects the name of a test");
                };
                let given = Given {
                    pos: given.pos.clone(),
                    named: given.named.clone(),
                };
                tests::check(run, test, &of, given)?
            }
        };
        if passes == wanted {
            out.push(item);
        }
    }
    Value::once(out)
}
