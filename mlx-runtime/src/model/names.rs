//! Finds the tensors of a field in a checkpoint: naming schemes, alternatives, parts that are joined or stacked.
//!
//! Tests: `mlx-tests --test weights`.

use std::collections::{BTreeSet, HashMap};

use super::loader::join;
use crate::{ops, Array, Error, Result};

/// The names of a field's tensors, in each naming scheme.
pub struct Names {
    /// The field's own name, tried last.
    pub own: &'static str,
    /// Its names in the default scheme.
    pub default: Pattern,
    /// Its names in other schemes, by the scheme's name.
    pub schemes: &'static [(&'static str, Pattern)],
}

/// Alternatives, tried in order; the rows of an alternative's parts are joined.
pub type Pattern = &'static [&'static [NamePart]];

/// One name.
pub struct NamePart {
    /// Relative to the model that holds the field, or from the root.
    pub name: &'static str,
    /// From the root.
    pub absolute: bool,
    /// Stored `[in, out]`.
    pub transposed: bool,
    /// Stored `[out, in, kernel..]`, as PyTorch.
    pub channels_first: bool,
    /// This one of so many equal parts of the rows.
    pub part: (i32, i32),
}

impl NamePart {
    /// A name as it is written, relative to its model.
    pub const PLAIN: NamePart = NamePart {
        name: "",
        absolute: false,
        transposed: false,
        channels_first: false,
        part: (0, 1),
    };

    /// True if another shape is stored than is used, beside a transposed matrix.
    pub(super) const fn is_other(&self) -> bool {
        self.channels_first || self.part.1 > 1
    }

    fn form(&self) -> Form {
        Form {
            transposed: self.transposed,
            channels_first: self.channels_first,
            part: self.part,
        }
    }

    /// Its path for a field of the model at `path`, and the form of the tensor there.
    pub(super) fn at(&self, path: &str) -> (String, Form) {
        let at = match self.absolute {
            true => self.name.to_string(),
            false => join(path, self.name),
        };
        (at, self.form())
    }
}

/// A name as it is written.
pub const fn named(name: &'static str) -> NamePart {
    NamePart {
        name,
        ..NamePart::PLAIN
    }
}

/// The form in which a tensor is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    transposed: bool,
    channels_first: bool,
    pub part: (i32, i32),
}

impl Form {
    pub const AS_USED: Form = Form {
        transposed: false,
        channels_first: false,
        part: (0, 1),
    };

    /// The form of the tensor `leaf` of a field. Vectors, and matrices that MLX packed, are stored as they are used.
    pub fn of_leaf(self, leaf: &str, packed: bool) -> Form {
        let turns = !packed && matches!(leaf, "" | "weight");
        Form {
            transposed: self.transposed && turns,
            channels_first: self.channels_first && turns,
            ..self
        }
    }

    /// The same form for part `i` of `n`.
    pub fn part_of(self, i: usize, n: usize) -> Form {
        Form {
            part: (i as i32, n as i32),
            ..self
        }
    }

    /// The tensor with its axes as the layer uses them.
    pub fn turned(self, a: Array) -> Result<Array> {
        match (self.transposed, self.channels_first && a.ndim() > 2) {
            (true, _) => ops::swapaxes(&a, -1, -2),
            (_, true) => ops::moveaxis(&a, 1, -1),
            _ => Ok(a),
        }
    }

    /// The inverse of [`Form::turned`].
    pub fn stored(self, a: Array) -> Result<Array> {
        match (self.transposed, self.channels_first && a.ndim() > 2) {
            (true, _) => ops::swapaxes(&a, -1, -2),
            (_, true) => ops::moveaxis(&a, -1, 1),
            _ => Ok(a),
        }
    }

    /// The tensor as the layer uses it.
    fn used(self, a: Array) -> Result<Array> {
        let a = self.turned(a)?;
        match self.part {
            (_, 1) => Ok(a),
            (i, n) => {
                let rows = a.dim(0)?;
                if rows % n != 0 {
                    let text = format!("expected rows in {n} equal parts, found {rows}");
                    return Err(Error::shape("part", text));
                }
                let mut parts = ops::split(&a, n, 0)?;
                Ok(parts.swap_remove(i as usize))
            }
        }
    }
}

/// The tensors of a checkpoint, and the places of fields with names in the scheme.
#[derive(Default)]
pub(super) struct Tensors {
    all: HashMap<String, Array>,
    /// Every name of the checkpoint, in order.
    names: BTreeSet<String>,
    scheme: &'static str,
    known: BTreeSet<&'static str>,
    places: HashMap<String, Place>,
    /// The number of reads of each tensor. A first pass counts them, so that the second can drop a tensor after its
    /// last read.
    uses: HashMap<String, usize>,
    taking: bool,
}

/// The paths of the parts of a field, each with the form in which it is stored.
pub(super) type Parts = Vec<(String, Form)>;

/// The place of a field's tensors, if it is not the field's own path.
struct Place {
    parts: Parts,
    /// The other paths that were tried.
    others: Vec<String>,
}

/// The result of a search.
pub(super) enum Found {
    Array(Array),
    Missing(Vec<String>),
    Broken(String),
}

impl Tensors {
    pub fn new(all: HashMap<String, Array>, scheme: &'static str) -> Self {
        Tensors {
            names: all.keys().cloned().collect(),
            all,
            scheme,
            ..Tensors::default()
        }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The tensors that were not read.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        let unread = |name: &&String| !self.uses.contains_key(*name);
        self.names.iter().filter(unread).map(String::as_str)
    }

    /// For a second pass over the same tensors: each goes when it has been read for the last time.
    pub fn taking(self) -> Self {
        Tensors {
            taking: true,
            places: HashMap::new(),
            ..self
        }
    }

    /// The error of the naming scheme, after a walk over the whole model.
    pub fn scheme_error(&self) -> Option<String> {
        if self.scheme.is_empty() || self.known.contains(self.scheme) {
            return None;
        }
        let known: Vec<&str> = self.known.iter().copied().collect();
        let known = match known.is_empty() {
            true => "expected no scheme".to_string(),
            false => format!("known are {}", known.join(", ")),
        };
        Some(format!(
            "no field of the model is named in the scheme {:?}; {known}",
            self.scheme
        ))
    }

    fn holds(&self, path: &str) -> bool {
        let inside = format!("{path}.");
        path.is_empty() && !self.names.is_empty()
            || self.names.contains(path)
            || self
                .names
                .range(inside.clone()..)
                .next()
                .is_some_and(|n| n.starts_with(&inside))
    }

    /// A file with tensors of these names, for [`Tensors::choose`].
    pub fn named(names: BTreeSet<String>) -> Self {
        Tensors {
            names,
            ..Tensors::default()
        }
    }

    /// The paths of the parts of a field of the model at `path`, and those of the other alternatives.
    pub fn choose(&self, path: &str, names: &Names) -> (Parts, Vec<Parts>) {
        let pattern = names.schemes.iter().find(|(s, _)| *s == self.scheme);
        let pattern = pattern.map_or(names.default, |(_, p)| *p);
        let own = vec![(join(path, names.own), Form::AS_USED)];
        let mut alternatives: Vec<Parts> = pattern
            .iter()
            .map(|parts| parts.iter().map(|p| p.at(path)).collect())
            .collect();
        // A field's own name is always an alternative, so that tensors from `parameters()` can be loaded.
        if !alternatives
            .iter()
            .any(|a| a.len() == 1 && a[0].0 == own[0].0)
        {
            alternatives.push(own);
        }
        let there = |parts: &Parts| {
            parts
                .iter()
                .any(|(p, _)| self.holds(&p.replacen("{}", "0", 1)))
        };
        let chosen = alternatives.iter().position(there).unwrap_or(0);
        let parts = alternatives.remove(chosen);
        (parts, alternatives)
    }

    /// The path of a field of the model at `path`. Records its parts and alternatives.
    pub fn enter(&mut self, path: &str, names: &'static Names) -> String {
        self.known.extend(names.schemes.iter().map(|(s, _)| *s));
        let (parts, alternatives) = self.choose(path, names);
        let other = |(p, form): &(String, Form)| *form != Form::AS_USED || p.contains("{}");
        let special = parts.len() > 1 || parts.iter().any(other);
        let key = match &parts[..] {
            // Several fields may be parts of one tensor.
            [(_, form)] if form.part.1 > 1 => join(path, names.own),
            parts => parts.first().map(|p| p.0.clone()).unwrap_or_default(),
        };
        let others: Vec<String> = alternatives
            .into_iter()
            .map(|a| a.into_iter().map(|p| p.0).collect::<Vec<_>>().join(" + "))
            .collect();
        if special || !others.is_empty() {
            self.places.insert(key.clone(), Place { parts, others });
        }
        key
    }

    /// Returns true if there is a tensor of that name, or all the tensors that it is made of.
    pub fn has(&self, name: &str) -> bool {
        match self.place(name) {
            None => self.names.contains(name),
            Some((place, leaf)) => {
                let mut parts = place.parts.iter();
                // Of tensors that are stacked, the first stands for all.
                parts.all(|(p, _)| self.names.contains(&join(p, leaf).replacen("{}", "0", 1)))
            }
        }
    }

    fn place<'a>(&self, name: &'a str) -> Option<(&Place, &'a str)> {
        if let Some(place) = self.places.get(name) {
            return Some((place, ""));
        }
        let (path, leaf) = name.rsplit_once('.').unwrap_or(("", name));
        self.places.get(path).map(|p| (p, leaf))
    }

    /// The tensor `name`; `first` is the size of its first axis, for one that is stacked.
    pub fn get(&mut self, name: &str, first: i32) -> Found {
        let Some((place, leaf)) = self.place(name) else {
            return match self.read(name) {
                Some(a) => Found::Array(a),
                None => Found::Missing(vec![name.to_string()]),
            };
        };
        let parts: Parts = place
            .parts
            .iter()
            .map(|(p, form)| {
                let packed = self.names.contains(&join(p, "scales"));
                (join(p, leaf), form.of_leaf(leaf, packed))
            })
            .collect();
        let others: Vec<String> = place.others.iter().map(|p| join(p, leaf)).collect();
        let stacked = parts.iter().any(|(p, _)| p.contains("{}"));
        let count = if stacked { first.max(0) } else { 1 };
        let (mut missing, mut rows) = (Vec::new(), Vec::new());
        for i in 0..count {
            let mut row = Vec::new();
            for (part, form) in &parts {
                let part = part.replacen("{}", &i.to_string(), 1);
                match self.read(&part) {
                    Some(a) => row.push((a, *form)),
                    None => missing.push(part),
                }
            }
            rows.push(row);
        }
        if !missing.is_empty() {
            if let (Some(last), false) = (missing.last_mut(), others.is_empty()) {
                *last = format!("{last} (or {})", others.join(", or "));
            }
            return Found::Missing(missing);
        }
        match assemble(rows, stacked) {
            Ok(a) => Found::Array(a),
            Err(e) => Found::Broken(format!("{name}: cannot join its parts: {e}")),
        }
    }

    fn read(&mut self, name: &str) -> Option<Array> {
        if !self.taking {
            let found = self.all.get(name).cloned()?;
            *self.uses.entry(name.to_string()).or_insert(0) += 1;
            return Some(found);
        }
        let left = self.uses.get_mut(name)?;
        *left = left.saturating_sub(1);
        match *left {
            0 => self.all.remove(name),
            _ => self.all.get(name).cloned(),
        }
    }
}

/// Rows of parts, joined along their first axis, stacked along a new one.
fn assemble(rows: Vec<Vec<(Array, Form)>>, stacked: bool) -> Result<Array> {
    let mut whole = Vec::new();
    for row in rows {
        let mut parts = Vec::new();
        for (a, form) in row {
            parts.push(form.used(a)?);
        }
        whole.push(match parts.len() {
            1 => parts.remove(0),
            _ => ops::concatenate(&parts.iter().collect::<Vec<_>>(), 0)?,
        });
    }
    match (stacked, whole.len()) {
        (false, 1) => Ok(whole.remove(0)),
        _ => ops::stack(&whole.iter().collect::<Vec<_>>(), 0),
    }
}
