//! Reads the rows of a split: a JSONL file, parsed, checked and turned into ids.
//!
//! Tests: `tests/many_rows.rs`.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use mlx_models::json;
use serde_json::{Map, Value};

use super::lines::Lines;
use super::workers::Workers;
use super::{Example, Format, HfDataset};
use crate::files;
use crate::hub;
use crate::output;
use crate::settings::DEFAULT_DATA;
use crate::text::Text;

/// A row of ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The ids, prompt and answer.
    pub tokens: Vec<u32>,
    /// The number of `tokens` that are the prompt.
    pub prompt: usize,
    /// Keys of the line that the row came from.
    pub keys: usize,
    /// The row with the answer that was rejected, if the line is a pair.
    pub rejected: Option<Box<Row>>,
    /// The log-probabilities of both answers by the reference model, once they are known.
    pub reference: Option<[f32; 2]>,
}

impl Row {
    /// Indices into `tokens` of the targets: everything but the first token, or only the answer.
    pub fn targets(&self, mask_prompt: bool) -> std::ops::Range<usize> {
        let first = if mask_prompt { self.prompt.max(1) } else { 1 };
        first..self.tokens.len().max(first)
    }

    /// Inputs of the model: those of the longer one of a pair.
    pub fn inputs(&self) -> usize {
        let own = self.tokens.len().saturating_sub(1).max(1);
        self.rejected.as_ref().map_or(own, |r| own.max(r.inputs()))
    }

    /// The tokens after the prompt, if there is a prompt and any token after it.
    pub fn answer(&self) -> Option<&[u32]> {
        let behind = self.tokens.get(self.prompt..)?;
        (self.prompt > 0 && !behind.is_empty()).then_some(behind)
    }
}

/// The rows of a file, and the examples that they were made from.
pub struct Split {
    /// The source of the rows, for messages.
    pub origin: String,
    /// The format of its lines.
    pub format: Format,
    /// The lines.
    pub examples: Vec<Example>,
    /// Their ids, in the same order.
    pub rows: Vec<Row>,
    /// The number of each one's line in the file.
    lines: Vec<usize>,
}

/// The limit on a row's length, and the handling of longer rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most tokens that a row may have.
    pub tokens: usize,
    /// Cut longer rows instead of refusing them.
    pub cut: bool,
    /// Lines are pairs of answers, one chosen and one rejected.
    pub pairs: bool,
}

/// The data set inside the program: name of the split, text of the file.
const SHIPPED: [(&str, &str); 3] = [
    ("train", include_str!("../../data/train.jsonl")),
    ("valid", include_str!("../../data/valid.jsonl")),
    ("test", include_str!("../../data/test.jsonl")),
];

/// Lines that are read before they become rows together, on all processors.
const TOGETHER: usize = 4096;
/// The number of rows between two lines of progress.
const NOTED: usize = 50_000;

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
                bail!("unknown split {name:?} of the data set {DEFAULT_DATA}");
            };
            let origin = format!("{DEFAULT_DATA}/{name}.jsonl");
            return Split::parse(origin, content, text, limit, mask_prompt).map(Some);
        }
        let folder = Path::new(data);
        if !folder.is_dir() {
            ensure!(
                hub::Name::data_set(data, None).is_some(),
                "data folder {data} not found: --data names a folder with train.jsonl, valid.jsonl and test.jsonl, or ORG/NAME of the Hugging Face hub"
            );
            let set = HfDataset::named(data);
            return Split::of_sets(&[set], name, 0, text, limit, mask_prompt);
        }
        let path = folder.join(format!("{name}.jsonl"));
        if !files::is_named(&path) {
            return Ok(None);
        }
        let source = BufReader::new(files::open(&path)?);
        let origin = path.display().to_string();
        Split::read(origin, source, text, limit, mask_prompt).map(Some)
    }

    /// The split `name` of several data sets, one after the other.
    pub fn of_sets(
        sets: &[HfDataset],
        name: &str,
        seed: u64,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Option<Split>> {
        let mut whole: Option<Split> = None;
        for set in sets {
            let Some(lines) = set.read(name, seed)? else {
                continue;
            };
            let origin = format!("{} ({name})", set.path);
            let own = Split::of_lines(origin, lines, text, limit, mask_prompt)?;
            output::note(format_args!("{}: {} rows", own.origin, own.rows.len()));
            whole = Some(match whole {
                None => own,
                Some(mut before) => {
                    before.origin = format!("{}, {}", before.origin, own.origin);
                    before.examples.extend(own.examples);
                    before.rows.extend(own.rows);
                    before.lines.extend(own.lines);
                    before
                }
            });
        }
        Ok(whole)
    }

    /// Rows of lines that are read already.
    fn of_lines(
        origin: String,
        lines: Vec<(String, Map<String, Value>)>,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Split> {
        ensure!(!lines.is_empty(), "{origin} is empty");
        let format = Format::of(&lines[0].1, limit.pairs).with_context(|| lines[0].0.clone())?;
        let rows = Workers::default().map(&lines, |(at, map)| {
            read_map(map, &mut Some(format), text, limit, mask_prompt).with_context(|| at.clone())
        });
        let mut split = Split {
            origin,
            format,
            examples: Vec::new(),
            rows: Vec::new(),
            lines: Vec::new(),
        };
        let mut cut = 0;
        for (i, row) in rows.into_iter().enumerate() {
            let (example, row, shortened) = row?;
            cut += usize::from(shortened);
            split.examples.push(example);
            split.rows.push(row);
            split.lines.push(i + 1);
        }
        split.say_cut(cut, limit);
        Ok(split)
    }

    fn say_cut(&self, cut: usize, limit: Limit) {
        if cut > 0 {
            let (origin, all, most) = (&self.origin, self.rows.len(), limit.tokens);
            output::note(format_args!(
                "{origin}: {cut} of {all} rows are longer than {most} tokens and are cut"
            ));
        }
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
            .with_context(|| format!("{data}: {name}.jsonl is missing"))
    }

    /// Reads the lines of `content`; an error names `origin` and the line.
    pub fn parse(
        origin: String,
        content: &str,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Split> {
        Split::read(origin, content.as_bytes(), text, limit, mask_prompt)
    }

    /// As [`Split::parse`], for lines that are read one at a time.
    fn read(
        origin: String,
        source: impl BufRead,
        text: &Text,
        limit: Limit,
        mask_prompt: bool,
    ) -> Result<Split> {
        let mut lines = Lines::new(source);
        let mut split = Split {
            origin,
            format: Format::Text,
            examples: Vec::new(),
            rows: Vec::new(),
            lines: Vec::new(),
        };
        let (mut format, mut cut) = (None, 0);
        let mut workers = Workers::default();
        loop {
            // The first line says how the others are read.
            let most = if format.is_some() { TOGETHER } else { 1 };
            let (some, failed) = lines.next_lines(most);
            let rows = workers.map(&some, |(number, line)| {
                let mut format = format;
                read_line(line, &mut format, text, limit, mask_prompt)
                    .map(|(example, row, shortened)| (format, example, row, shortened))
                    .with_context(|| format!("{}, line {number}", split.origin))
            });
            let last = some.is_empty();
            for ((number, _), row) in some.into_iter().zip(rows) {
                let (found, example, row, shortened) = row?;
                format = found;
                cut += usize::from(shortened);
                split.examples.push(example);
                split.rows.push(row);
                split.lines.push(number);
                if split.rows.len().is_multiple_of(NOTED) {
                    output::note(format_args!(
                        "{}: {} rows read",
                        split.origin,
                        split.rows.len()
                    ));
                }
            }
            failed.with_context(|| format!("{}, line {}", split.origin, lines.number()))?;
            if last {
                break;
            }
        }
        ensure!(!split.rows.is_empty(), "{} is empty", split.origin);
        split.say_cut(cut, limit);
        split.format = format.unwrap_or(split.format);
        Ok(split)
    }

    /// Checks that the model has a place for every token of every row.
    pub fn check(&self, text: &Text) -> Result<()> {
        for (row, line) in self.rows.iter().zip(&self.lines) {
            let other = row.rejected.as_ref().map_or(0, |r| r.tokens.len());
            let (tokens, places) = (row.tokens.len().max(other), text.places());
            ensure!(
                tokens <= places,
                "{}, line {line}: the row has {tokens} tokens, expected at most {places}, the positions of the model",
                self.origin
            );
        }
        Ok(())
    }

    /// Leaves out the rows that have no target; an error if none has one.
    pub fn keep_rows_with_targets(&mut self, mask_prompt: bool) -> Result<()> {
        let keep: Vec<bool> = self
            .rows
            .iter()
            .map(|row| match &row.rejected {
                // Of a pair the answers are compared.
                Some(other) => [row, other].iter().all(|r| !r.targets(true).is_empty()),
                None => !row.targets(mask_prompt).is_empty(),
            })
            .collect();
        let (all, kept) = (keep.len(), keep.iter().filter(|k| **k).count());
        let origin = &self.origin;
        ensure!(
            kept > 0,
            "none of the {all} rows of {origin} has a target, because their answers are empty or cut off: raise --max-seq-length"
        );
        if kept < all {
            output::note(format_args!(
                "{origin}: {} of {all} rows are left out, because nothing is left of their answers (--truncate cuts rows at --max-seq-length)",
                all - kept
            ));
            fn filter<T>(all: &mut Vec<T>, keep: &[bool]) {
                let mut keep = keep.iter();
                all.retain(|_| keep.next().copied().unwrap_or(true));
            }
            filter(&mut self.examples, &keep);
            filter(&mut self.rows, &keep);
            filter(&mut self.lines, &keep);
        }
        Ok(())
    }
}

/// Cuts a row at the limit; true if there was something to cut.
fn shorten(row: &mut Row, limit: Limit) -> Result<bool> {
    let cut = row.tokens.len() > limit.tokens;
    if cut {
        ensure!(
            limit.cut,
            "the row has {} tokens, expected at most {}: shorten it, raise --max-seq-length, or cut long rows with --truncate",
            row.tokens.len(),
            limit.tokens
        );
        row.tokens.truncate(limit.tokens);
    }
    Ok(cut)
}

/// Returns the example, its ids, and true if they were cut.
fn read_line(
    line: &str,
    format: &mut Option<Format>,
    text: &Text,
    limit: Limit,
    mask_prompt: bool,
) -> Result<(Example, Row, bool)> {
    let Value::Object(map) = json::parse(line).context("expected a JSON object")? else {
        bail!("expected a JSON object");
    };
    read_map(&map, format, text, limit, mask_prompt)
}

/// As [`read_line`], of a line that is parsed.
fn read_map(
    map: &Map<String, Value>,
    format: &mut Option<Format>,
    text: &Text,
    limit: Limit,
    mask_prompt: bool,
) -> Result<(Example, Row, bool)> {
    let format = match *format {
        Some(format) => format,
        None => *format.insert(Format::of(map, limit.pairs)?),
    };
    ensure!(
        !(mask_prompt && format == Format::Text),
        "expected a prompt to mask, found {{\"text\"}}: leave --mask-prompt out"
    );
    for column in format.columns().iter().chain(&["tools"]) {
        if let Some(number) = map.get(*column).and_then(json::first_not_finite) {
            bail!("{column:?} holds {number}, which JSON does not allow");
        }
    }
    let example = Example::read(map, format)?;
    let mut row = example.tokens(text)?;
    let mut cut = shorten(&mut row, limit)?;
    let masked = match &mut row.rejected {
        Some(other) => {
            cut |= shorten(other, limit)?;
            true
        }
        None => mask_prompt,
    };
    // A row that was cut may lose its whole answer; it is kept and counts for nothing.
    let answers = [Some(&row), row.rejected.as_deref()].into_iter().flatten();
    for answer in answers {
        ensure!(
            limit.cut || !answer.targets(masked).is_empty(),
            "the row has no target, because its answer is empty"
        );
    }
    Ok((example, row, cut))
}
