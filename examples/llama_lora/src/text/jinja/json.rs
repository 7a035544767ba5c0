//! Python's `json.dumps`.
//!
//! Tests: `tests/templates.rs`.

use std::fmt::Write as _;

use anyhow::{bail, ensure, Result};

use super::ops::describe;
use super::run::Run;
use super::syntax::Cmp;
use super::text::float;
use super::value::Value;

struct Writer<'r, 't> {
    run: &'r Run<'t>,
    ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sorted: bool,
    out: String,
}

/// `json.dumps(value)` with `ensure_ascii`, `indent`, `separators` and `sort_keys`.
pub fn dumps(
    run: &Run,
    value: &Value,
    [ascii, indent, separators, sorted]: [Option<Value>; 4],
) -> Result<String> {
    let yes = |v: Option<Value>| v.is_some_and(|v| v.is_true());
    let indent = match indent {
        None | Some(Value::None) => None,
        Some(Value::Str(s) | Value::Markup(s)) => Some(s.to_string()),
        Some(n) => match n.as_int() {
            Some(n) => {
                let n = usize::try_from(n).unwrap_or(0);
                run.spend_text(n)?;
                Some(" ".repeat(n))
            }
            None => bail!(
                "tojson expects a number or a string as indent, found a {}",
                describe(&n)
            ),
        },
    };
    let (item, key) = match separators {
        None | Some(Value::None) => (
            if indent.is_some() { "," } else { ", " }.to_owned(),
            ": ".to_owned(),
        ),
        Some(both) => match run.items(&both)?.as_slice() {
            [item, key] if item.as_str().is_some() && key.as_str().is_some() => (
                run.to_text(item)?.to_string(),
                run.to_text(key)?.to_string(),
            ),
            _ => bail!("tojson expects two strings as separators"),
        },
    };
    let mut writer = Writer {
        run,
        ascii: yes(ascii),
        indent,
        item,
        key,
        sorted: yes(sorted),
        out: String::new(),
    };
    writer.value(value, 0)?;
    Ok(writer.out)
}

impl Writer<'_, '_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        let before = self.out.len();
        match value {
            Value::None => self.out.push_str("null"),
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Int(n) => self.out.push_str(&n.to_string()),
            Value::Float(f) => self.out.push_str(&number(*f)),
            Value::Str(s) | Value::Markup(s) => self.text(s)?,
            Value::List(items) | Value::Tuple(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.gap(i > 0, depth + 1)?;
                    self.value(item, depth + 1)?;
                }
                self.end(items.is_empty(), depth, ']')?;
            }
            Value::Dict(d) => {
                let mut entries: Vec<&(Value, Value)> = d.entries.iter().collect();
                if self.sorted {
                    let mut failed = None;
                    entries.sort_by(|a, b| {
                        let less = |a: &Value, b: &Value| self.run.compare(Cmp::Lt, a, b);
                        match (less(&a.0, &b.0), less(&b.0, &a.0)) {
                            (Ok(true), _) => std::cmp::Ordering::Less,
                            (_, Ok(true)) => std::cmp::Ordering::Greater,
                            (Ok(_), Ok(_)) => std::cmp::Ordering::Equal,
                            (Err(e), _) | (_, Err(e)) => {
                                failed = Some(e);
                                std::cmp::Ordering::Equal
                            }
                        }
                    });
                    if let Some(error) = failed {
                        return Err(error);
                    }
                }
                self.out.push('{');
                for (i, (key, value)) in entries.into_iter().enumerate() {
                    self.gap(i > 0, depth + 1)?;
                    match key {
                        Value::Str(s) | Value::Markup(s) => self.text(s)?,
                        Value::Int(n) => self.text(&n.to_string())?,
                        Value::Float(f) => self.text(&number(*f))?,
                        Value::Bool(b) => self.text(if *b { "true" } else { "false" })?,
                        Value::None => self.text("null")?,
                        other => bail!("tojson cannot write a {} as a key", describe(other)),
                    }
                    self.out.push_str(&self.key);
                    self.value(value, depth + 1)?;
                }
                self.end(d.len() == 0, depth, '}')?;
            }
            other => bail!("tojson cannot write a {}", describe(other)),
        }
        let grown = self.out.len() - before;
        self.run.spend_text(grown)
    }

    fn gap(&mut self, separate: bool, depth: usize) -> Result<()> {
        if separate {
            self.out.push_str(&self.item);
        }
        self.line(depth)
    }

    fn end(&mut self, empty: bool, depth: usize, close: char) -> Result<()> {
        if !empty {
            self.line(depth)?;
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) -> Result<()> {
        let Some(indent) = &self.indent else {
            return Ok(());
        };
        ensure!(depth < 1_000, "the value is nested too deeply");
        self.run.spend_text(indent.len().saturating_mul(depth))?;
        self.out.push('\n');
        self.out.push_str(&indent.repeat(depth));
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.run.spend_text(text.len())?;
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\x08' => self.out.push_str("\\b"),
                '\x0c' => self.out.push_str("\\f"),
                c if c < ' ' || (self.ascii && !(' '..='~').contains(&c)) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(self.out, "\\u{unit:04x}")?;
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
        Ok(())
    }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        float(value)
    }
}
