//! Reads `#[mlx_model(digest = "file")]`: the names and shapes of a checkpoint, committed as text.
//!
//! Tests: `mlx-tests --test ui`, `--test weights`.

use std::io::Read;
use std::path::{Path, PathBuf};

use syn::LitStr;

use crate::diag::{Diag, Result};

/// The file's content.
pub struct Digest {
    /// The attribute's text, which errors that concern no field point to.
    pub(crate) literal: LitStr,
    pub(crate) path: PathBuf,
    pub(crate) names: String,
    pub(crate) config: Vec<(String, f64)>,
    pub(crate) tensors: Vec<Tensor>,
}

/// One tensor, or several whose names differ in numbers alone.
pub(crate) struct Tensor {
    pub text: String,
    pub parts: Vec<Part>,
    pub shape: Vec<i64>,
    pub dtype: String,
}

/// A part of a name, between dots.
pub(crate) enum Part {
    Word(String),
    Index(Vec<(i64, i64)>),
}

impl Digest {
    /// Reads the file that the attribute names: from the crate's root, or, if the name begins with
    /// `./` or `../`, from the folder of the source file.
    pub fn read(literal: &LitStr) -> Result<Digest> {
        let (name, span) = (literal.value(), literal.span());
        let path = place(literal, &name).ok_or_else(|| Diag::digest_nowhere(span, &name))?;
        let text = text(&path).map_err(|e| Diag::digest_unreadable(span, &name, reason(&e)))?;
        let mut digest = Digest {
            literal: literal.clone(),
            path,
            names: String::new(),
            config: Vec::new(),
            tensors: Vec::new(),
        };
        for (i, line) in text.lines().enumerate() {
            digest
                .line(line)
                .ok_or_else(|| Diag::digest_line(span, &name, i + 1, line))?;
        }
        if digest.tensors.is_empty() {
            return Err(Diag::digest_empty(span, name));
        }
        Ok(digest)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Some(());
        }
        if let Some((key, value)) = line.split_once(" = ") {
            match key.strip_prefix("config.") {
                Some(name) => self.config.push((name.to_string(), number(value)?)),
                None if key == "names" => self.names = value.to_string(),
                None => return None,
            }
            return Some(());
        }
        let (text, rest) = line.split_once(" [")?;
        let (shape, dtype) = rest.split_once("] ")?;
        let sizes = shape.split(", ").filter(|s| !s.is_empty());
        let dots = split(text);
        self.tensors.push(Tensor {
            parts: dots.into_iter().map(part).collect::<Option<_>>()?,
            shape: sizes.map(|s| s.parse().ok()).collect::<Option<_>>()?,
            dtype: dtype.to_string(),
            text: text.to_string(),
        });
        Some(())
    }
}

fn place(literal: &LitStr, name: &str) -> Option<PathBuf> {
    if name.starts_with("./") || name.starts_with("../") {
        let file = literal.span().local_file()?;
        return Some(std::path::absolute(file).ok()?.parent()?.join(name));
    }
    let root = std::env::var_os("CARGO_MANIFEST_DIR")?;
    Some(Path::new(&root).join(name))
}

/// The largest digest: a model with a million tensors has a smaller one.
const MOST_BYTES: u64 = 64 << 20;

/// The text of a file, unless it is too large to be a digest or has no end.
fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    let read = file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    match read as u64 > MOST_BYTES {
        true => Err(std::io::ErrorKind::FileTooLarge.into()),
        false => Ok(text),
    }
}

/// Why a file cannot be read, the same on every system.
fn reason(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::InvalidData => "it is not text in UTF-8".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => e.to_string(),
    }
}

/// A value of the config; what is absent is not a number.
fn number(value: &str) -> Option<f64> {
    match value {
        "true" | "some" => Some(1.0),
        "false" => Some(0.0),
        "none" => Some(f64::NAN),
        n => n.parse().ok().filter(|n: &f64| n.is_finite()),
    }
}

/// At the dots outside of braces.
fn split(text: &str) -> Vec<&str> {
    let (mut all, mut from, mut inside) = (Vec::new(), 0, false);
    for (i, c) in text.char_indices() {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            '.' if !inside => {
                all.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    all.push(&text[from..]);
    all
}

fn part(text: &str) -> Option<Part> {
    let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
        let word = !text.is_empty() && !text.contains(['{', '}', ' ']);
        return word.then(|| Part::Word(text.to_string()));
    };
    let ranges = inner.split(',').map(|r| {
        let (from, to) = r.split_once("..").unwrap_or((r, r));
        Some((from.parse().ok()?, to.parse().ok()?))
    });
    ranges.collect::<Option<_>>().map(Part::Index)
}
