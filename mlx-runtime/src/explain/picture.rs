//! The picture of a flow: boxes and arrows, sub-models and layers as boxes around boxes.
//!
//! Tests: `mlx-tests --test explain`.

use std::collections::BTreeMap;

use super::flow::{Flow, Inner, Role, Step};
use super::stack::Stack;
use super::units::bytes;

/// Boxes with arrows between them.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub title: String,
    /// Lines below the title.
    pub lines: Vec<String>,
    /// For a stack, its layers.
    pub layers: Vec<Layer>,
    pub boxes: Vec<Block>,
}

/// A layer of a stack in training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    /// True if it runs again in the backward pass.
    pub again: bool,
    /// True if the input of the layer is kept.
    pub boundary: bool,
}

/// A box.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub title: String,
    pub lines: Vec<String>,
    /// The tooltip.
    pub hint: String,
    /// The passes that made it.
    pub label: String,
    /// A class of the style sheet: `input`, `work`, `fused`, `if`.
    pub look: &'static str,
    /// The config does not let it run.
    pub faded: bool,
    /// True if its value is kept for the backward pass.
    pub kept: bool,
    /// The boxes that arrows come from.
    pub from: Vec<usize>,
    pub inside: Option<Picture>,
}

impl Picture {
    pub fn of(flow: &Flow) -> Self {
        let mut picture = Picture {
            title: flow.title.clone(),
            lines: flow
                .kept
                .map(|n| format!("keeps {}", bytes(n)))
                .into_iter()
                .collect(),
            ..Picture::default()
        };
        // The boxes that a node's value comes from.
        let mut at: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut groups: BTreeMap<usize, usize> = BTreeMap::new();
        for step in &flow.steps {
            let mut from: Vec<usize> = step
                .reads
                .iter()
                .filter_map(|r| at.get(r))
                .flatten()
                .copied()
                .collect();
            from.sort_unstable();
            from.dedup();
            let place = picture.boxes.len();
            let own = match &step.role {
                Role::Through => from,
                Role::Input if step.ty == "cache" => vec![],
                Role::Member(group) => match groups.get(group) {
                    Some(first) => {
                        picture.boxes[*first].join(step);
                        vec![*first]
                    }
                    None => {
                        groups.insert(*group, place);
                        picture.boxes.push(Block::of(step, from));
                        vec![place]
                    }
                },
                _ => {
                    picture.boxes.push(Block::of(step, from));
                    vec![place]
                }
            };
            at.insert(step.id, own);
        }
        picture
    }

    fn of_stack(stack: &Stack) -> Self {
        let boxes = stack.classes.iter().enumerate().map(|(i, class)| Block {
            title: class.name(),
            look: "model",
            from: i.checked_sub(1).into_iter().collect(),
            inside: inside(&class.inner),
            ..Block::default()
        });
        Picture {
            title: format!("a stack of {} layers", stack.count),
            lines: stack.about(),
            layers: stack.layers(),
            boxes: boxes.collect(),
        }
    }
}

fn inside(inner: &Inner) -> Option<Picture> {
    match inner {
        Inner::Flow(flow) => Some(Picture::of(flow)),
        Inner::Layers(stack) => Some(Picture::of_stack(stack)),
        Inner::None | Inner::Seen(_) => None,
    }
}

impl Block {
    fn of(step: &Step, from: Vec<usize>) -> Self {
        let title = match &step.role {
            Role::Input => step.text.clone(),
            Role::If(text) => text.clone(),
            _ => short(&step.text),
        };
        let ty = step.ty.split("; ").next().unwrap_or("");
        let mut lines = vec![ty.to_string()];
        if let (Some(n), true) = (step.bytes, step.kept) {
            lines.push(format!("kept, {}", bytes(n)));
        }
        if let Inner::Seen(title) = &step.inner {
            lines.push(format!("{title}, as above"));
        }
        Block {
            title,
            lines,
            hint: hint(step),
            label: step.passes.join(" + "),
            look: match (&step.role, step.passes.is_empty()) {
                (Role::Input, _) => "input",
                (Role::If(_), _) => "if",
                (_, true) => "work",
                (_, false) => "fused",
            },
            faded: !step.runs(),
            kept: step.kept,
            from,
            inside: inside(&step.inner),
        }
    }

    /// Another layer that is computed together with this one.
    fn join(&mut self, step: &Step) {
        self.title = format!("{}, {}", self.title, short(&step.text));
        self.lines.insert(1, step.ty.clone());
        self.kept |= step.kept;
        self.hint = format!("{}\n{}", self.hint, hint(step));
        if let (Some(n), true) = (step.bytes, step.kept) {
            self.lines.push(format!("kept, {}", bytes(n)));
        }
    }
}

/// The name of a call, without the arguments.
fn short(text: &str) -> String {
    text.split('(').next().unwrap_or(text).trim().to_string()
}

fn hint(step: &Step) -> String {
    let mut lines = vec![format!("%{} = {}", step.id, step.text), step.ty.clone()];
    if !step.shape.is_empty() {
        lines.push(step.shape.clone());
    }
    lines.push(format!("line {}", step.line));
    if !step.absorbed.is_empty() {
        let all: Vec<String> = step
            .absorbed
            .iter()
            .map(|(t, l)| format!("{t} (line {l})"))
            .collect();
        lines.push(format!("made of {}", all.join(", ")));
    }
    let calls: Vec<String> = step.calls.iter().map(|c| c.join(" or ")).collect();
    if !calls.is_empty() {
        lines.push(calls.join(", "));
    }
    lines.join("\n")
}
