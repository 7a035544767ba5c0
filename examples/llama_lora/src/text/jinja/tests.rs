//! Jinja's tests, as in `value is defined`.
//!
//! Tests: `tests/templates.rs`.

use anyhow::{bail, Result};

use super::call::Given;
use super::filters;
use super::ops::{self, describe};
use super::run::Run;
use super::syntax::{Cmp, Op};
use super::text::is_cased;
use super::value::Value;

const NAMES: [&str; 39] = [
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

pub fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// `value is name(given)`
pub fn check(run: &Run, name: &str, value: &Value, given: Given) -> Result<bool> {
    run.spend(1)?;
    let with_other = |given: Given| -> Result<Value> {
        let [other] = given.bind(name, ["other"], 1)?;
        Ok(other.unwrap_or(Value::None))
    };
    let cmp = match name {
        "eq" | "==" | "equalto" => Some(Cmp::Eq),
        "ne" | "!=" => Some(Cmp::Ne),
        "gt" | ">" | "greaterthan" => Some(Cmp::Gt),
        "ge" | ">=" => Some(Cmp::Ge),
        "lt" | "<" | "lessthan" => Some(Cmp::Lt),
        "le" | "<=" => Some(Cmp::Le),
        "in" => Some(Cmp::In),
        _ => None,
    };
    if let Some(cmp) = cmp {
        return run.compare(cmp, value, &with_other(given)?);
    }
    match name {
        "divisibleby" => {
            let [by] = given.bind(name, ["num"], 1)?;
            let rest = ops::binary(run, Op::Mod, value, &by.unwrap_or(Value::None))?;
            return Ok(!rest.is_true());
        }
        "sameas" => {
            let other = with_other(given)?;
            return Ok(match (value, &other) {
                (Value::None, Value::None) => true,
                (Value::Bool(a), Value::Bool(b)) => a == b,
                (Value::None | Value::Bool(_), _) | (_, Value::None | Value::Bool(_)) => false,
                // Python keeps one object for each of these numbers.
                (Value::Int(a), Value::Int(b)) if (-5..=256).contains(a) => a == b,
                _ => bail!("sameas compares none, true, false and small numbers only; use =="),
            });
        }
        _ => {}
    }
    let [] = given.bind(name, [], 0)?;
    let parity = |odd: bool| {
        let rest = ops::binary(run, Op::Mod, value, &Value::Int(2))?;
        run.equal(&rest, &Value::Int(odd.into()))
    };
    Ok(match name {
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => value.as_number().is_some(),
        "string" => value.as_str().is_some(),
        "mapping" => matches!(value, Value::Dict(_)),
        "sequence" => value.len().is_some() && !matches!(value, Value::View(..)),
        "iterable" => value.len().is_some() || matches!(value, Value::Once(_) | Value::Loop(_)),
        "callable" => matches!(
            value,
            Value::Function(_)
                | Value::Method(_)
                | Value::Macro(_)
                | Value::Joiner(_)
                | Value::Loop(_)
                | Value::Undefined(_)
        ),
        "odd" => parity(true)?,
        "even" => parity(false)?,
        "escaped" => value.is_markup(),
        "lower" | "upper" => {
            let text = run.to_text(value)?;
            let large = name == "upper";
            let right = |c: char| {
                !is_cased(c)
                    || if large {
                        c.is_uppercase()
                    } else {
                        c.is_lowercase()
                    }
            };
            text.chars().any(is_cased) && text.chars().all(right)
        }
        "filter" | "test" => {
            let known = if name == "filter" {
                filters::is_known
            } else {
                is_known
            };
            match value {
                Value::Str(text) | Value::Markup(text) => known(text),
                Value::List(_) | Value::Dict(_) => bail!("a {} is no name", describe(value)),
                _ => false,
            }
        }
        _ => bail!("unknown test {name:?}"),
    })
}
