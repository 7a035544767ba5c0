//! Prints an explanation as text.
//!
//! Tests: `mlx-tests --test explain`.

use std::fmt::{self, Display, Formatter};

use super::flow::{Flow, Inner, Role, Step};
use super::stack::Stack;
use super::tree::Branch;
use super::units::{bytes, count, plural};
use super::Explanation;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}:{})", self.name, self.file, self.line)?;
        for line in self.overview() {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "\nlayers")?;
        branches(f, &self.tree, 1)?;
        writeln!(f, "\nparameter groups")?;
        if self.groups.is_empty() {
            writeln!(f, "  nothing is trained")?;
        }
        for line in self.group_lines() {
            writeln!(f, "  {line}")?;
        }
        for flow in &self.flows {
            writeln!(f)?;
            self::flow(f, flow, 0)?;
        }
        let kernels = self.kernels();
        if !kernels.is_empty() {
            writeln!(f, "\nkernels")?;
        }
        for kernel in &kernels {
            writeln!(f, "  {} ({})", kernel.name, kernel.place)?;
            for fact in kernel.facts() {
                writeln!(f, "    {fact}")?;
            }
        }
        Ok(())
    }
}

impl Explanation {
    /// The lines of the overview.
    pub(super) fn overview(&self) -> Vec<String> {
        let h = &self.held;
        let mut lines = vec![format!("{} on the {}", self.dtype.name(), self.device)];
        if !self.config.is_empty() {
            let all: Vec<String> = self
                .config
                .iter()
                .map(|(n, v)| format!("{n} = {v}"))
                .collect();
            lines.push(format!("config: {}", all.join(", ")));
        }
        lines.push(format!(
            "{} parameters in {}, {}; {} of them in {} are trained, {}",
            count(h.elements),
            plural(h.tensors, "tensor"),
            bytes(h.bytes),
            count(h.trained_elements),
            plural(h.trained, "tensor"),
            bytes(h.trained_bytes),
        ));
        lines.push(format!(
            "memory: limit {}, in use {}",
            bytes(self.limit),
            bytes(self.active)
        ));
        lines
    }

    /// A line for each parameter group.
    pub(super) fn group_lines(&self) -> Vec<String> {
        let groups = self.groups.iter().map(|(dtype, tensors, elements)| {
            let all = (*elements as u64).saturating_mul(dtype.size() as u64);
            format!(
                "{}: {}, {} values, {}; one update of the optimiser for all of them",
                dtype.name(),
                plural(*tensors, "tensor"),
                count(*elements as u64),
                bytes(all)
            )
        });
        groups.collect()
    }
}

fn branches(f: &mut Formatter<'_>, all: &[Branch], depth: usize) -> fmt::Result {
    for b in all {
        let name = format!("{:indent$}{}", "", b.name, indent = depth * 2);
        let times = if b.times > 1 {
            format!(" x {}", b.times)
        } else {
            String::new()
        };
        let mut what = format!("{}{times} {}", b.ty, b.sizes);
        if !b.numbers.is_empty() {
            what = format!("{} = {}", what.trim_end(), b.numbers);
        }
        let mut about = b.marks.clone();
        if b.held.bytes > 0 {
            about.push(bytes(b.held.bytes.saturating_mul(b.times as u64)));
        }
        let about = about.join(", ");
        writeln!(
            f,
            "{name:<30} {:<48} {about:<32} :{}",
            what.trim_end(),
            b.line
        )?;
        branches(f, &b.inside, depth + 1)?;
    }
    Ok(())
}

/// The kept bytes and the calls of a method, in a sentence each.
pub(super) fn totals(flow: &Flow) -> Vec<String> {
    let mut lines = Vec::new();
    if !flow.free.is_empty() {
        let all: Vec<String> = flow
            .free
            .iter()
            .map(|(n, v)| format!("{n} = {v}"))
            .collect();
        lines.push(format!("for {}", all.join(", ")));
    }
    if let Some(n) = flow.kept {
        lines.push(format!("keeps {} for the backward pass", bytes(n)));
    }
    let own = flow.saved.iter().filter(|k| k.holds);
    let own: Vec<String> = own.map(|k| k.size.clone()).collect();
    if !own.is_empty() {
        lines.push(format!("of its own {} values", own.join(" + ")));
    }
    lines.push(match flow.calls {
        1 => "1 C call".to_string(),
        n => format!("{} C calls", count(n as u64)),
    });
    lines
}

fn flow(f: &mut Formatter<'_>, flow: &Flow, depth: usize) -> fmt::Result {
    let pad = "  ".repeat(depth);
    writeln!(
        f,
        "{pad}{} -> {} ({}:{})",
        flow.title, flow.ret, flow.file, flow.line
    )?;
    for line in totals(flow) {
        writeln!(f, "{pad}  {line}")?;
    }
    let mut around: Vec<(usize, bool, bool)> = Vec::new();
    for step in flow.steps.iter().filter(|s| s.role != Role::Through) {
        if step.arms != around {
            if let Some((id, first, taken)) = step.arms.last() {
                let of = flow.steps.iter().find(|s| s.id == *id);
                let text = of.map_or("", |s| s.text.as_str());
                let what = if *first {
                    text.to_string()
                } else {
                    format!("else of {text}")
                };
                let taken = if *taken { "taken" } else { "not taken" };
                writeln!(
                    f,
                    "{pad}  {}{what} ({taken}):",
                    "  ".repeat(step.arms.len() - 1)
                )?;
            }
            around.clone_from(&step.arms);
        }
        self::step(f, step, depth + step.arms.len())?;
    }
    Ok(())
}

fn step(f: &mut Formatter<'_>, s: &Step, depth: usize) -> fmt::Result {
    let pad = "  ".repeat(depth + 1);
    let head = format!("{pad}%{} {}", s.id, s.text);
    let mut size = s.shape.clone();
    if let Some(n) = s.bytes {
        size = format!("{size} {}", bytes(n));
    }
    let kept = if s.kept { "kept" } else { "" };
    writeln!(
        f,
        "{head:<56} {:<28} {size:<28} {kept:<5} :{}",
        s.ty, s.line
    )?;
    if !s.passes.is_empty() {
        let from: Vec<String> = s.absorbed.iter().map(|(t, l)| format!("{t}:{l}")).collect();
        let from = if from.is_empty() {
            String::new()
        } else {
            format!(" of {}", from.join(" "))
        };
        let note = match (s.note, s.spared) {
            ("", None) => String::new(),
            ("", Some(n)) => format!(" (spares {})", bytes(n)),
            (note, _) => format!(" ({note})"),
        };
        writeln!(f, "{pad}   fused by {}{from}{note}", s.passes.join(", "))?;
    }
    if !s.calls.is_empty() && s.runs() {
        let calls: Vec<String> = s.calls.iter().map(|c| c.join(" or ")).collect();
        writeln!(f, "{pad}   {}", calls.join(" "))?;
    }
    match &s.inner {
        Inner::None => Ok(()),
        Inner::Seen(title) => writeln!(f, "{pad}  {title} as above"),
        Inner::Flow(inner) => flow(f, inner, depth + 2),
        Inner::Layers(stack) => layers(f, stack, depth + 2),
    }
}

fn layers(f: &mut Formatter<'_>, stack: &Stack, depth: usize) -> fmt::Result {
    let pad = "  ".repeat(depth);
    for line in stack.about() {
        writeln!(f, "{pad}{line}")?;
    }
    for class in &stack.classes {
        writeln!(f, "{pad}{}", class.name())?;
        match &class.inner {
            Inner::Flow(inner) => flow(f, inner, depth + 1)?,
            Inner::Seen(title) => writeln!(f, "{pad}  {title} as above")?,
            Inner::None | Inner::Layers(_) => {}
        }
    }
    Ok(())
}
