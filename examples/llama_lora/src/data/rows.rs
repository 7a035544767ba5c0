//! The rows of a split: a JSONL file, read, checked and turned into ids.

use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use serde_json::{Map, Value};

use super::{Example, Format};
use crate::files::read_text;
use crate::settings::DEFAULT_DATA;
use crate::text::Text;

/// A row of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The ids, prompt and answer.
    pub tokens: Vec<u32>,
    /// How many of them are prompt.
    pub prompt: usize,
    /// Keys of the line that the row came from.
    pub keys: usize,
}

impl Row {
    /// Indices into `tokens` of what is to be learnt: everything but the first token, or only the answer.
    pub fn targets(&self, mask_prompt: bool) -> std::ops::Range<usize> {
        let first = if mask_prompt { self.prompt.max(1) } else { 1 };
        first..self.tokens.len().max(first)
    }
}

/// A file's rows, beside what they were made from.
pub struct Split {
    /// Where it came from, for messages.
    pub origin: String,
    /// The lines.
    pub examples: Vec<Example>,
    /// Their ids, in the same order.
    pub rows: Vec<Row>,
}

/// What to do with a row that has more tokens than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most tokens that a row may have.
    pub tokens: usize,
    /// Cut longer rows instead of refusing them.
    pub cut: bool,
}

/// The data set inside the program: name of the split, text of the file.
const SHIPPED: [(&str, &str); 3] = [
    ("train", include_str!("../../data/train.jsonl")),
    ("valid", include_str!("../../data/valid.jsonl")),
    ("test", include_str!("../../data/test.jsonl")),
];

impl Split {
    /// Opens the split `name` of `data`: a folder, or the name of the data set inside the program. A folder
    /// without that file gives `None`.
    pub fn open(
        data: &str,
        name: &str,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Option<Split>> {
        if data == DEFAULT_DATA {
            let Some((_, content)) = SHIPPED.iter().find(|(n, _)| *n == name) else {
                bail!("the data set {DEFAULT_DATA} has no split {name:?}");
            };
            let origin = format!("{DEFAULT_DATA}/{name}.jsonl");
            return Split::parse(origin, content, text, limit, mask_prompt).map(Some);
        }
        let folder = Path::new(data);
        ensure!(
            folder.is_dir(),
            "the data folder {data} does not exist; --data names a folder with train.jsonl, valid.jsonl and test.jsonl"
        );
        let path = folder.join(format!("{name}.jsonl"));
        if !path.exists() {
            return Ok(None);
        }
        let content = read_text(&path)?;
        Split::parse(
            path.display().to_string(),
            &content,
            text,
            limit,
            mask_prompt,
        )
        .map(Some)
    }

    /// The split `name`, which must be there.
    pub fn require(
        data: &str,
        name: &str,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Split> {
        Split::open(data, name, text, limit, mask_prompt)?
            .with_context(|| format!("{data} has no {name}.jsonl"))
    }

    /// Reads the lines of `content`; an error names `origin` and the line.
    pub fn parse(
        origin: String,
        content: &str,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Split> {
        let mut format = None;
        let mut split = Split {
            origin,
            examples: Vec::new(),
            rows: Vec::new(),
        };
        for (i, line) in content.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let (example, row) = read_line(line, &mut format, text, limit, mask_prompt)
                .with_context(|| format!("{}, line {}", split.origin, i + 1))?;
            split.examples.push(example);
            split.rows.push(row);
        }
        ensure!(!split.rows.is_empty(), "{} is empty", split.origin);
        Ok(split)
    }
}

fn read_line(
    line: &str,
    format: &mut Option<Format>,
    text: &Text,
    limit: Limit,
    mask_prompt: bool,
) -> Result<(Example, Row)> {
    let map: Map<String, Value> = serde_json::from_str(line).context("not a JSON object")?;
    let format = match *format {
        Some(format) => format,
        None => *format.insert(Format::of(&map)?),
    };
    ensure!(
        !(mask_prompt && format == Format::Text),
        "has no prompt to mask; leave --mask-prompt out for {{\"text\"}}"
    );
    let example = Example::read(&map, format)?;
    let mut row = example.tokens(text)?;
    if row.tokens.len() > limit.tokens {
        ensure!(
            limit.cut,
            "has {} tokens, more than the limit of {}; shorten it, raise --max-seq-length, or cut long rows with --truncate",
            row.tokens.len(),
            limit.tokens
        );
        row.tokens.truncate(limit.tokens);
    }
    // A row that was cut may lose its whole answer; it is kept and counts for nothing.
    ensure!(
        limit.cut || !row.targets(mask_prompt).is_empty(),
        "has nothing to learn: its answer is empty"
    );
    Ok((example, row))
}
