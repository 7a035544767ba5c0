//! The tensors of a model in the form in which a checkpoint stores them, which is the form that `load` reads: joined
//! where `#[weights]` says `part`, one by one where it says `{}`, transposed, with channels first.
//!
//! Tests: `mlx-tests --test stored`.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{Holds, Layout};
use super::loader::join;
use super::names::{Form, NamePart, Names, Tensors};
use super::Model;
use crate::{ops, Array, Dtype, Error, ErrorKind, Result};

/// One tensor of a checkpoint.
struct Entry {
    name: String,
    /// The parameters that it holds, one below the other: their places in [`Model::parameters`].
    of: Vec<usize>,
    /// The index along the first axis of the parameter, where a checkpoint stores these one by one.
    row: Option<i32>,
    form: Form,
}

/// All tensors of a checkpoint of a model.
pub(super) struct Stored {
    entries: Vec<Entry>,
    parameters: Vec<(String, Array)>,
}

/// The tensors of a layer or parameter of the model.
struct Field {
    path: String,
    /// Each one's suffix, and its place in [`Model::parameters`]. Adapters are not among them.
    tensors: Vec<(String, usize)>,
    /// Its place in the definition, unless somebody wrote the model by hand.
    place: Option<Place>,
}

/// The names of a field, behind those of the models around it. Each stands with the path of the model that holds it.
struct Place {
    around: Vec<(String, &'static Names)>,
    parent: String,
    names: &'static Names,
}

impl Place {
    fn find(layout: &'static Layout, parent: &str, path: &str) -> Option<Place> {
        layout.fields.iter().find_map(|f| {
            let at = join(parent, f.names.own);
            let inner = |layout, at: &str| {
                let mut place = Place::find(layout, at, path)?;
                place.around.push((parent.to_string(), &f.names));
                Some(place)
            };
            match f.holds {
                Holds::Tensors(_) => (at == path).then(|| Place {
                    around: Vec::new(),
                    parent: parent.to_string(),
                    names: &f.names,
                }),
                Holds::Model(layout) | Holds::ModelApart(layout) => inner(layout, &at),
                Holds::Layers(_, layout) | Holds::LayersApart(layout) => {
                    let rest = path.strip_prefix(&at)?;
                    let rest = if at.is_empty() {
                        rest
                    } else {
                        rest.strip_prefix('.')?
                    };
                    let (index, _) = rest.split_once('.')?;
                    index.parse::<u32>().ok()?;
                    inner(layout, &join(&at, index))
                }
            }
        })
    }

    /// The first of the field's names that stands for one tensor.
    fn target(&self) -> Option<&'static NamePart> {
        let mut single = self.names.default.iter().filter(|parts| parts.len() == 1);
        single.next().map(|parts| &parts[0])
    }
}

impl Field {
    /// The shape and dtype of each tensor.
    fn shapes<'a>(&'a self, all: &'a [(String, Array)]) -> Vec<(&'a str, Vec<i32>, Dtype)> {
        let one = |(leaf, i): &'a (String, usize)| {
            let a = &all[*i].1;
            (&leaf[..], a.shape().to_vec(), a.dtype())
        };
        self.tensors.iter().map(one).collect()
    }

    fn is_packed(&self) -> bool {
        self.tensors.iter().any(|(leaf, _)| leaf == "scales")
    }
}

impl Stored {
    /// # Errors
    /// If [`load`](super::load()) would find another tensor under the name of one.
    pub fn of<M: Model>(model: &M) -> Result<Stored> {
        let (mut fields, mut entries, mut parameters) = (Vec::new(), Vec::new(), Vec::new());
        model.visit("", &mut |path, leaf| {
            let mut tensors = Vec::new();
            leaf.each(&mut |name, array, _| {
                let place = parameters.len();
                parameters.push((join(path, name), array.clone()));
                match name {
                    "lora_a" | "lora_b" => entries.push(Entry::as_used(&parameters, place)),
                    name => tensors.push((name.to_string(), place)),
                }
            });
            fields.push(Field {
                path: path.to_string(),
                tensors,
                place: Place::find(&M::LAYOUT, "", path),
            });
        });
        let targets = targets(&fields, &parameters);
        for (target, held) in &targets {
            entries.extend(held.entries(target, &fields, &parameters));
        }
        let there: BTreeSet<usize> = targets.values().flat_map(|h| h.fields.clone()).collect();
        for (_, field) in fields
            .iter()
            .enumerate()
            .filter(|(i, _)| !there.contains(i))
        {
            let own = field.tensors.iter();
            entries.extend(own.map(|(_, i)| Entry::as_used(&parameters, *i)));
        }
        // In the order of the definition.
        entries.sort_by_key(|e| (e.of.first().copied(), e.row));
        let stored = Stored {
            entries,
            parameters,
        };
        stored.check(&fields, &targets)?;
        Ok(stored)
    }

    /// Compares the names with those that a load would choose.
    fn check(&self, fields: &[Field], targets: &BTreeMap<String, Held>) -> Result<()> {
        let names: BTreeSet<String> = self.entries.iter().map(|e| e.name.clone()).collect();
        if names.len() < self.entries.len() {
            let twice = self
                .entries
                .iter()
                .find(|e| self.entries.iter().filter(|o| o.name == e.name).count() > 1);
            return Err(ambiguous(twice.map_or("", |e| &e.name)));
        }
        let file = Tensors::named(names);
        for (i, field) in fields.iter().enumerate() {
            let (Some(place), false) = (&field.place, field.tensors.is_empty()) else {
                continue;
            };
            let target = targets.iter().find(|(_, h)| h.fields.contains(&i));
            let written = match target {
                Some((name, held)) => (name.clone(), held.form(i)),
                None => (field.path.clone(), Form::AS_USED),
            };
            let found = file.choose(&place.parent, place.names).0;
            let around = place.around.iter().all(|(parent, names)| {
                file.choose(parent, names).0 == [(join(parent, names.own), Form::AS_USED)]
            });
            // An absolute name does not depend on the models around.
            let absolute = target.is_some() && place.target().is_some_and(|part| part.absolute);
            if found != [written] || !(around || absolute) {
                return Err(ambiguous(&field.path));
            }
        }
        Ok(())
    }

    /// The tensors with their names.
    pub fn tensors(&self) -> Result<Vec<(String, Array)>> {
        let all = self.entries.iter();
        all.map(|e| Ok((e.name.clone(), e.of(&self.parameters)?)))
            .collect()
    }

    /// The model's parameters, of the tensors of a checkpoint in the order of [`Stored::tensors`].
    pub fn used(&self, tensors: Vec<Array>) -> Result<Vec<Array>> {
        let mut rows: Vec<Vec<Array>> = vec![Vec::new(); self.parameters.len()];
        for (entry, tensor) in self.entries.iter().zip(tensors) {
            let whole = entry.form.turned(tensor)?;
            let parts = match entry.of.len() {
                1 => vec![whole],
                n => ops::split(&whole, n as i32, 0)?,
            };
            for (i, part) in entry.of.iter().zip(parts) {
                rows[*i].push(part);
            }
        }
        let stacked: BTreeSet<usize> = (self.entries.iter())
            .filter(|e| e.row.is_some())
            .flat_map(|e| e.of.clone())
            .collect();
        let whole = |(i, mut rows): (usize, Vec<Array>)| match stacked.contains(&i) {
            false => Ok(rows.swap_remove(0)),
            true => ops::stack(&rows.iter().collect::<Vec<_>>(), 0),
        };
        rows.into_iter().enumerate().map(whole).collect()
    }
}

impl Entry {
    fn as_used(parameters: &[(String, Array)], place: usize) -> Entry {
        Entry {
            name: parameters[place].0.clone(),
            of: vec![place],
            row: None,
            form: Form::AS_USED,
        }
    }

    fn of(&self, parameters: &[(String, Array)]) -> Result<Array> {
        let mut parts = Vec::new();
        for i in &self.of {
            let whole = &parameters[*i].1;
            parts.push(match self.row {
                None => whole.clone(),
                Some(row) => ops::take(whole, &Array::scalar(row)?, 0)?,
            });
        }
        let joined = match parts.len() {
            1 => parts.swap_remove(0),
            _ => ops::concatenate(&parts.iter().collect::<Vec<_>>(), 0)?,
        };
        self.form.stored(joined)
    }
}

/// The fields that one name of a checkpoint stands for, in the order of their parts.
struct Held {
    fields: Vec<usize>,
    form: Form,
}

impl Held {
    /// The form of one of the fields.
    fn form(&self, field: usize) -> Form {
        let i = self.fields.iter().position(|f| *f == field).unwrap_or(0);
        self.form.part_of(i, self.fields.len())
    }

    fn entries(&self, name: &str, fields: &[Field], parameters: &[(String, Array)]) -> Vec<Entry> {
        let Some(first) = self.fields.first().map(|f| &fields[*f]) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (k, (leaf, place)) in first.tensors.iter().enumerate() {
            let count = parameters[*place].1.shape().first().copied().unwrap_or(0);
            let rows = match name.contains("{}") {
                true => (0..count).map(Some).collect(),
                false => vec![None],
            };
            all.extend(rows.into_iter().map(|row| {
                Entry {
                    name: match row {
                        None => join(name, leaf),
                        Some(i) => join(&name.replacen("{}", &i.to_string(), 1), leaf),
                    },
                    of: self
                        .fields
                        .iter()
                        .map(|f| fields[*f].tensors[k].1)
                        .collect(),
                    row,
                    form: self.form.of_leaf(leaf, first.is_packed()),
                }
            }));
        }
        all
    }
}

/// The names under which tensors can be stored: those of one field, and those whose parts are all there.
fn targets(fields: &[Field], parameters: &[(String, Array)]) -> BTreeMap<String, Held> {
    let mut claims: BTreeMap<String, Vec<(Form, usize)>> = BTreeMap::new();
    for (i, field) in fields.iter().enumerate() {
        let Some(place) = field.place.as_ref().filter(|_| !field.tensors.is_empty()) else {
            continue;
        };
        if let Some(part) = place.target() {
            let (name, form) = part.at(&place.parent);
            claims.entry(name).or_default().push((form, i));
        }
    }
    let held = |mut claims: Vec<(Form, usize)>| {
        claims.sort_by_key(|(form, _)| form.part);
        let (form, first) = *claims.first()?;
        let n = claims.len();
        let shapes = fields[first].shapes(parameters);
        let fits = claims.iter().enumerate().all(|(i, (other, field))| {
            *other == form.part_of(i, n) && fields[*field].shapes(parameters) == shapes
        });
        let fields = claims.into_iter().map(|(_, field)| field).collect();
        fits.then_some(Held { fields, form })
    };
    let all = claims.into_iter();
    all.filter_map(|(name, claims)| Some((name, held(claims)?)))
        .collect()
}

fn ambiguous(name: &str) -> Error {
    let text =
        format!("{name:?} would not be read back: another tensor has its name in a checkpoint");
    Error::new(ErrorKind::InvalidArgument, text)
        .with_op("save")
        .with_hint("rename the field, so that its name is none of those in `#[weights(..)]`")
}
