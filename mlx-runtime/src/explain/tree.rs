//! The model as a tree of its tensors. Equal layers share a branch.
//!
//! Tests: `mlx-tests --test explain`.

use super::outline::{Outline, Part};
use super::sizes::Sizes;
use super::units::ranges;
use crate::model::Leaf;
use crate::{Array, Dtype};

/// A field, or the layers of a stack that are equal.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub name: String,
    /// Its type.
    pub ty: String,
    /// Its sizes by name and in numbers.
    pub sizes: String,
    pub numbers: String,
    pub marks: Vec<String>,
    pub file: &'static str,
    pub line: u32,
    /// The number of these, one below the other.
    pub times: usize,
    pub held: Held,
    pub inside: Vec<Branch>,
}

/// The number and the size of tensors, all layers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub tensors: usize,
    pub elements: u64,
    pub bytes: u64,
    pub trained: usize,
    pub trained_elements: u64,
    pub trained_bytes: u64,
}

impl Held {
    pub fn add(&mut self, other: Held, times: usize) {
        let n = times as u64;
        self.tensors += other.tensors * times;
        self.elements += other.elements * n;
        self.bytes += other.bytes * n;
        self.trained += other.trained * times;
        self.trained_elements += other.trained_elements * n;
        self.trained_bytes += other.trained_bytes * n;
    }

    fn tensor(&mut self, a: &Array, trained: bool) {
        let (elements, bytes) = (a.size() as u64, a.nbytes() as u64);
        self.tensors += 1;
        self.elements += elements;
        self.bytes += bytes;
        if trained {
            self.trained += 1;
            self.trained_elements += elements;
            self.trained_bytes += bytes;
        }
    }
}

/// The branches of a model.
pub(super) fn branches(outline: &Outline<'_>) -> Vec<Branch> {
    let Some(report) = outline.report else {
        return Vec::new();
    };
    let sizes = Sizes::new(&outline.sizes, report.sizes);
    let mut out = Vec::new();
    for f in report.fields {
        let numbers = match f.ty.starts_with("Vec<") {
            true => sizes.get(f.sizes).map(|n| n.to_string()),
            false => sizes.shape(f.sizes).map(|s| list(&s)),
        };
        let numbers = numbers.unwrap_or_default();
        let mut branch = Branch {
            name: f.name.to_string(),
            ty: f.ty.to_string(),
            sizes: f.sizes.to_string(),
            numbers: match numbers == f.sizes {
                true => String::new(),
                false => numbers,
            },
            marks: f.marks.iter().map(ToString::to_string).collect(),
            file: report.file,
            line: f.line,
            times: 1,
            held: Held::default(),
            inside: Vec::new(),
        };
        match outline.part(f.name) {
            None => branch.marks.push("absent".to_string()),
            Some(Part::Plain) => {}
            Some(Part::Leaf(leaf)) => {
                branch.marks.retain(|m| m != "lora" && m != "frozen");
                state(*leaf, &mut branch);
            }
            Some(Part::Model(inner)) => {
                // For a type parameter, the chosen model.
                if let Some(r) = inner.report {
                    branch.ty = r.name.to_string();
                }
                branch.inside = branches(inner);
                branch.held = total(&branch.inside);
            }
            Some(Part::Layers(layers)) => {
                for class in classes(layers) {
                    let inside = branches(&layers[class[0]]);
                    let report = layers[class[0]].report;
                    branch.inside.push(Branch {
                        name: format!("{}.{}", f.name, ranges(&class)),
                        ty: report.map_or("", |r| r.name).to_string(),
                        sizes: String::new(),
                        numbers: String::new(),
                        marks: Vec::new(),
                        file: report.map_or("", |r| r.file),
                        line: report.map_or(0, |r| r.line),
                        times: class.len(),
                        held: total(&inside),
                        inside,
                    });
                }
                branch.held = total(&branch.inside);
            }
        }
        out.push(branch);
    }
    out
}

/// The tensors of all branches.
pub(super) fn total(branches: &[Branch]) -> Held {
    let mut all = Held::default();
    for b in branches {
        all.add(b.held, b.times);
    }
    all
}

/// Adds the state of a loaded layer: packed, adapted, trained.
fn state(leaf: Leaf<'_>, branch: &mut Branch) {
    let (mut tensors, mut rank, mut dtype) = (Vec::new(), None, None::<Dtype>);
    leaf.each(&mut |name, array, trained| {
        branch.held.tensor(array, trained);
        tensors.push(name.to_string());
        match name {
            // A stack of linear maps has its adapters' rank before the inputs.
            "lora_a" => rank = array.shape().get(1).copied(),
            "weight" => dtype = Some(array.dtype()),
            _ => {}
        }
    });
    let has = |name: &str| tensors.iter().any(|t| t == name);
    if has("scales") {
        branch.marks.push("quantised".to_string());
    } else if let Some(d) = dtype {
        branch.marks.push(d.name().to_string());
    }
    if has("bias") {
        branch.marks.push("bias".to_string());
    }
    if let Some(r) = rank {
        branch.marks.push(format!("LoRA rank {r}"));
    }
    match (branch.held.tensors, branch.held.trained) {
        (0, _) => {}
        (_, 0) => branch.marks.push("frozen".to_string()),
        _ => branch.marks.push("trained".to_string()),
    }
}

/// The layers of a stack that are equal, in the order of their first ones.
pub(super) fn classes(layers: &[Outline<'_>]) -> Vec<Vec<usize>> {
    let mut found: Vec<(String, Vec<usize>)> = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        let key = key(layer);
        match found.iter_mut().find(|(k, _)| *k == key) {
            Some((_, all)) => all.push(i),
            None => found.push((key, vec![i])),
        }
    }
    found.into_iter().map(|(_, all)| all).collect()
}

/// Text that is equal for models that hold and compute the same, weights aside.
pub(super) fn key(outline: &Outline<'_>) -> String {
    let report = outline.report.map_or(std::ptr::null(), std::ptr::from_ref);
    let mut text = format!("{report:p}{:?}{:?}{{", outline.sizes, outline.conditions);
    for (name, part) in &outline.parts {
        text += name;
        match part {
            Part::Plain => {}
            Part::Leaf(leaf) => leaf.each(&mut |name, a, trained| {
                text += &format!(" {name}{:?}{:?}{trained}", a.shape(), a.dtype());
            }),
            Part::Model(m) => text += &key(m),
            Part::Layers(all) => all.iter().for_each(|l| text += &key(l)),
        }
        text.push(';');
    }
    text + "}"
}

/// `[4, 512, 576]`.
pub(super) fn list(shape: &[i64]) -> String {
    let all: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", all.join(", "))
}
