//! Jinja, as transformers sets it up for chat templates.
//!
//! A chat template is Python in disguise: it formats with `%`, slices, calls methods of texts, and prints lists and
//! floats the way Python does. This is that part of the language, with the same answers; anything else is an error.
//! Templates are untrusted, so their resources are limited: each step of work and each piece of text is charged to a
//! budget, and nesting has a largest depth.
//!
//! Tests: `tests/templates.rs`.

mod braces;
mod call;
mod expressions;
mod filters;
mod format;
mod html;
mod json;
mod lexer;
mod markup;
mod methods;
mod numbers;
mod ops;
mod parser;
mod percent;
mod run;
mod sequences;
mod strftime;
mod syntax;
mod tests;
mod text;
mod text_filters;
mod value;
mod wrap;

use anyhow::{anyhow, ensure, Result};
use serde_json::Value as Json;

use run::Run;
use value::Value;

/// Bytes of a template; the longest that are published have some 20,000.
const LONGEST: usize = 256 << 10;
/// Steps that every template may take.
const STEPS: u64 = 500_000;
/// More steps for each message and for each byte that the template is given.
const STEPS_PER_MESSAGE: u64 = 10_000;
const STEPS_PER_BYTE: u64 = 4;

/// A template that was read.
pub struct Jinja(Vec<syntax::Stmt>);

impl Jinja {
    /// Reads `source`.
    pub fn parse(source: &str) -> Result<Jinja> {
        ensure!(
            source.len() <= LONGEST,
            "it is {} bytes long, expected at most {LONGEST}",
            source.len()
        );
        Ok(Jinja(parser::parse(source)?))
    }

    /// The text of the template with these values of `names`; `messages` is the number of turns.
    pub fn render(&self, names: &[(&str, Json)], messages: usize) -> Result<String> {
        let bytes: u64 = names.iter().map(|(_, value)| size(value)).sum();
        let fuel = STEPS + STEPS_PER_MESSAGE * messages as u64 + STEPS_PER_BYTE * bytes;
        let names = names
            .iter()
            .map(|(name, value)| Ok((*name, Value::from_json(value)?)))
            .collect::<Result<_>>()?;
        let mut run = Run::new(fuel, names);
        let out = run.template(&self.0);
        out.map_err(|e| anyhow!("line {}: {e:#}", run.line))
    }
}

/// The approximate number of bytes of a value as text.
fn size(value: &Json) -> u64 {
    match value {
        Json::String(s) => s.len() as u64 + 2,
        Json::Array(items) => items.iter().map(|v| 1 + size(v)).sum(),
        Json::Object(map) => map.iter().map(|(k, v)| k.len() as u64 + 4 + size(v)).sum(),
        _ => 8,
    }
}
