//! The steps of a method for given sizes, with the sub-models that it calls.
//!
//! Tests: `mlx-tests --test explain`.

use std::collections::BTreeMap;

use super::calls::{self, Call, State, Used};
use super::outline::{Outline, Part};
use super::sizes::{dtype, Sizes};
use super::source::{Held, Method, Node, Saved, What, Why};
use super::stack::{Class, Stack};
use super::tree::{classes, key, list};
use crate::kernels::select;
use crate::model::cuts;
use crate::model::layers::Computed;
use crate::model::{Checkpoint, Leaf};
use crate::{Dtype, Result};

/// One run of a method.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// `Block::forward`.
    pub title: String,
    pub file: &'static str,
    pub line: u32,
    /// The sizes that the call decides.
    pub free: Vec<(String, i64)>,
    pub ret: String,
    pub steps: Vec<Step>,
    /// The values that this method alone keeps for the backward pass.
    pub saved: Vec<Kept>,
    /// The values that the method and its sub-models keep without any boundaries; `None` if a size is not known.
    pub kept: Option<u64>,
    /// C calls of one run, including those of sub-models.
    pub calls: usize,
    /// The kernel that the method is.
    pub kernel: Option<Held>,
    /// The bytes of values that the kernel neither writes nor reads again.
    pub spared: Option<u64>,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub id: usize,
    pub text: String,
    pub ty: String,
    /// Its shape in numbers, if they are known. `bytes` is its size in memory.
    pub shape: String,
    pub bytes: Option<u64>,
    pub line: u32,
    pub reads: Vec<usize>,
    pub kept: bool,
    pub passes: Vec<&'static str>,
    pub absorbed: Vec<(&'static str, u32)>,
    pub calls: Vec<Call>,
    /// The part of a pass that does not apply here, and the reason.
    pub note: &'static str,
    /// The bytes of values that a kernel neither writes nor reads again.
    pub spared: Option<u64>,
    /// The kernel of the step.
    pub kernel: Option<Held>,
    /// The role of the step in the picture.
    pub role: Role,
    pub inner: Inner,
    /// The arms around it, the outermost first: the number of the `if` node, which arm, and
    /// whether it is run.
    pub arms: Vec<(usize, bool, bool)>,
}

impl Step {
    /// Returns true if the model's config lets it run.
    pub fn runs(&self) -> bool {
        self.arms.iter().all(|(_, _, taken)| *taken)
    }
}

/// The role of a step in the picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Role {
    Input,
    Work,
    /// A member of a group with one matmul.
    Member(usize),
    /// A value that stands for others, or a number: not drawn.
    Through,
    If(String),
}

/// The contents of a step.
#[derive(Clone, Debug)]
pub(super) enum Inner {
    None,
    Flow(Box<Flow>),
    /// The same as a flow that was explained before.
    Seen(String),
    Layers(Box<Stack>),
}

/// Values that a method keeps for the backward pass.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The number of values, by name.
    pub size: String,
    /// The condition under which they are kept; empty if they always are.
    pub when: String,
    /// True if the condition holds.
    pub holds: bool,
    pub bytes: Option<u64>,
}

/// The condition under which attention keeps its scores.
const NO_TILES: &str = "attention is not in tiles";

/// The state of the whole explanation.
pub(super) struct Walk {
    /// The activations' dtype. `fused` is true if the fused operations can take it.
    pub dtype: Dtype,
    pub fused: bool,
    /// True where attention is computed in tiles while it trains.
    pub tiled: bool,
    pub checkpoint: Option<Checkpoint>,
    /// Bytes below the memory limit, once all weights are read.
    pub room: usize,
    /// The flows that were explained, by a key that equal flows share.
    pub told: BTreeMap<String, (String, Option<u64>, usize)>,
}

impl Walk {
    /// Returns true if a method was explained inside another.
    pub fn is_told(&self, method: &'static Method) -> bool {
        let start = format!("{method:p} ");
        self.told.keys().any(|k| k.starts_with(&start))
    }

    /// A method of a model whose free dims are in `sizes`.
    pub fn method(
        &mut self,
        outline: &Outline<'_>,
        method: &'static Method,
        mut sizes: Sizes,
        title: String,
    ) -> Result<Flow> {
        let mut flow = Flow {
            title,
            file: method.file,
            line: method.line,
            ret: method.ret.to_string(),
            ..Flow::default()
        };
        for node in method.nodes {
            if let What::Input(_) = node.what {
                for dim in super::sizes::dims(node.ty).unwrap_or_default() {
                    let free = dim.starts_with(|c: char| c.is_uppercase());
                    if let (true, Some(n)) = (free, sizes.get(dim)) {
                        if !flow.free.iter().any(|(d, _)| d == dim) {
                            flow.free.push((dim.to_string(), n));
                        }
                        sizes.set(dim, n);
                    }
                }
            }
        }
        flow.saved = method
            .saved
            .iter()
            .map(|k| self.kept(outline, k, &sizes))
            .collect();
        let counted = flow.saved.iter().filter(|k| k.holds);
        flow.kept = counted.map(|k| k.bytes).sum();
        if let Some((kernel, spared)) = method.kernel {
            (flow.kernel, flow.spared) = (Some(kernel), self.elements(spared, &sizes));
        }
        for node in method.nodes {
            let step = self.step(outline, method, node, &sizes, &mut flow)?;
            flow.steps.push(step);
        }
        Ok(flow)
    }

    /// The bytes of so many values.
    fn elements(&self, size: &str, sizes: &Sizes) -> Option<u64> {
        let n = u64::try_from(sizes.get(size)?).ok()?;
        Some(n.saturating_mul(self.dtype.size() as u64))
    }

    /// Resolves the size and the condition of kept values.
    fn kept(&self, outline: &Outline<'_>, k: &Saved, sizes: &Sizes) -> Kept {
        let (mut when, mut holds) = match k.why {
            Why::Always => (Vec::new(), true),
            Why::Plain => (vec![NO_TILES.to_string()], !self.tiled),
            Why::Scores => (vec![NO_TILES.to_string()], !self.tiled && !self.fused),
            Why::Trained(fields) => (
                vec![format!("{} trained or adapted", fields.join(" or "))],
                trained(outline, fields),
            ),
        };
        for (number, wanted, text) in k.arms {
            holds &= outline.conditions.get(*number) == Some(wanted);
            when.push(match *wanted {
                true => text.to_string(),
                false => format!("not {text}"),
            });
        }
        let bytes = sizes.get(k.size).and_then(|n| u64::try_from(n).ok());
        Kept {
            size: k.size.to_string(),
            when: when.join(" and "),
            holds,
            bytes: bytes.map(|n| n.saturating_mul(self.dtype.size() as u64)),
        }
    }

    fn step(
        &mut self,
        outline: &Outline<'_>,
        method: &'static Method,
        node: &'static Node,
        sizes: &Sizes,
        flow: &mut Flow,
    ) -> Result<Step> {
        let arms = arms(outline, method, node.id);
        let runs = arms.iter().all(|(_, _, taken)| *taken);
        let (shape, bytes) = self.size(node.ty, sizes);
        let mut step = Step {
            id: node.id,
            text: node.text.to_string(),
            ty: node.ty.to_string(),
            shape,
            bytes,
            line: node.line,
            reads: node.reads.to_vec(),
            kept: runs
                && node
                    .kept
                    .is_some_and(|f| f.is_empty() || trained(outline, f)),
            passes: node
                .fused
                .as_ref()
                .map_or(Vec::new(), |f| f.passes.to_vec()),
            absorbed: node
                .fused
                .as_ref()
                .map_or(Vec::new(), |f| f.absorbed.to_vec()),
            calls: Vec::new(),
            note: "",
            spared: None,
            kernel: None,
            role: Role::Work,
            inner: Inner::None,
            arms,
        };
        match node.what {
            What::Input(name) => {
                step.text = name.to_string();
                step.role = Role::Input;
            }
            What::Nothing => step.role = Role::Through,
            What::If {
                condition, text, ..
            } => {
                let held = outline.conditions.get(condition).copied();
                let held = held.map_or("", |h| if h { ", true here" } else { ", false here" });
                step.role = Role::If(format!("if {text}{held}"));
                step.text = format!("if {text}");
            }
            What::Param(field) => step.text = format!("self.{field}"),
            What::Op(name) => step.calls = calls::operation(name, self.fused),
            What::Kernel {
                operations,
                spared,
                kernel,
            } => {
                step.kernel = kernel;
                let kernels = crate::kernels::select::takes_rows(self.dtype);
                step.calls = match kernels {
                    true => vec![&["mlxrs_rows_apply"]],
                    false => {
                        let each = operations.iter();
                        each.flat_map(|o| calls::operation(o, self.fused)).collect()
                    }
                };
                step.spared = self.elements(spared, sizes).filter(|_| kernels);
            }
            What::With(name) => step.calls = calls::operation(name, self.fused),
            What::Leaf(field) => self.leaf(outline, method, node, field, sizes, &mut step)?,
            What::Joined(field, group) => {
                step.role = Role::Member(group);
                self.leaf(outline, method, node, field, sizes, &mut step)?;
            }
            What::Method(name) if runs => {
                let callee = outline
                    .report
                    .and_then(|r| r.methods.iter().find(|m| m.name == name).map(|m| (r, m)));
                if let Some((report, callee)) = callee {
                    let mut inner = Sizes::new(&outline.sizes, report.sizes);
                    self.pass(method, node, sizes, callee, &mut inner);
                    let title = format!("{}::{name}", report.name);
                    step.inner = self.inner(outline, callee, inner, title, flow, 1)?;
                }
            }
            What::Model(field) if runs => {
                if let Some(Part::Model(model)) = outline.part(field) {
                    step.inner = self.forward(model, method, node, sizes, flow, 1)?;
                }
            }
            What::Function(callee) if runs => {
                let mut inner = Sizes::default();
                self.pass(method, node, sizes, callee, &mut inner);
                let empty = Outline::default();
                step.inner = self.inner(&empty, callee, inner, callee.name.to_string(), flow, 1)?;
            }
            What::Layers(field, policy) if runs => {
                if let Some(Part::Layers(layers)) = outline.part(field) {
                    let stack = self.stack(layers, policy, method, node, sizes, flow)?;
                    step.inner = Inner::Layers(Box::new(stack));
                }
            }
            What::Method(_) | What::Model(_) | What::Function(_) | What::Layers(..) => {}
        }
        if runs {
            flow.calls += step.calls.len();
        }
        Ok(step)
    }

    /// Sets the calls of a layer, and the passes that affect it as loaded.
    fn leaf(
        &self,
        outline: &Outline<'_>,
        method: &Method,
        node: &Node,
        field: &str,
        sizes: &Sizes,
        step: &mut Step,
    ) -> Result<()> {
        let Some(Part::Leaf(leaf)) = outline.part(field) else {
            step.calls = calls::rope();
            return Ok(());
        };
        let state = |field: &str| match outline.part(field) {
            Some(Part::Leaf(l)) => State::of(*l),
            _ => State::default(),
        };
        let own = state(field);
        // A tied layer has the weight of another.
        let tied = outline.report.and_then(|r| {
            let marks = r.fields.iter().find(|f| f.name == field)?.marks.iter();
            let mut tied = marks.filter_map(|m| m.strip_prefix("tied to "));
            tied.next()?.split(' ').next()
        });
        let packed = own.packed || (own.bare && tied.is_some_and(|t| state(t).packed));
        let input = node.reads.first();
        let input = input.and_then(|id| method.nodes.iter().find(|n| n.id == *id));
        let rows = input.and_then(|n| sizes.shape(n.ty)).map(|shape| {
            let (_, rows) = shape.split_last().unwrap_or((&1, &[]));
            rows.iter().product::<i64>()
        });
        let threshold = i64::try_from(select::unpacks_from(self.dtype)?).unwrap_or(i64::MAX);
        let marked = step.passes.contains(&"dequantize");
        let mut used = Used {
            leaf: *leaf,
            packed,
            fused: self.fused,
            dequantized: packed && marked && rows.is_none_or(|n| n >= threshold),
            group: None,
        };
        step.passes.retain(|p| match *p {
            "dequantize" => packed,
            "lora" => own.adapted,
            _ => true,
        });
        if let What::Joined(_, group) = node.what {
            let all: Vec<(usize, State)> = method
                .nodes
                .iter()
                .filter_map(|n| match n.what {
                    What::Joined(f, g) if g == group => Some((n.id, state(f))),
                    _ => None,
                })
                .collect();
            let joined = !self.fused && all.iter().all(|(_, s)| s.joined);
            let adapted: Vec<usize> = all
                .iter()
                .filter(|(_, s)| s.adapted)
                .map(|(i, _)| *i)
                .collect();
            used.group = Some(calls::Group {
                joined,
                first: all.first().is_some_and(|(id, _)| *id == node.id),
                adapters: step.passes.contains(&"lora") && !self.fused && adapted.len() > 1,
                first_adapter: adapted.first() == Some(&node.id),
            });
            step.note = match (joined, self.fused) {
                (true, _) => "",
                (_, true) => "one matmul each: that is faster in float32 on the CPU",
                (_, false) => "one matmul each: the weights were not joined at load",
            };
        }
        step.calls = calls::layer(&used);
        Ok(())
    }

    /// The shape of a value in numbers, and its bytes.
    fn size(&self, ty: &str, sizes: &Sizes) -> (String, Option<u64>) {
        let (mut shapes, mut bytes) = (Vec::new(), Some(0));
        for part in ty.split("; ") {
            let Some(shape) = sizes.shape(part) else {
                return (String::new(), None);
            };
            let width = match dtype(part) {
                "float" => self.dtype.size(),
                "bool" => 1,
                _ => 4,
            };
            let n = shape
                .iter()
                .try_fold(width as u64, |n, d| n.checked_mul(u64::try_from(*d).ok()?));
            bytes = bytes.and_then(|b: u64| b.checked_add(n?));
            shapes.push(list(&shape));
        }
        (shapes.join("; "), bytes)
    }

    /// Gives the callee's free dims the sizes of the caller's arguments.
    fn pass(
        &self,
        method: &Method,
        node: &Node,
        sizes: &Sizes,
        callee: &Method,
        inner: &mut Sizes,
    ) {
        for input in callee.nodes {
            let What::Input(_) = input.what else { continue };
            // Arguments are the first nodes of a graph, in their order.
            let given = node.reads.get(input.id);
            let given = given.and_then(|id| method.nodes.iter().find(|n| n.id == *id));
            if let Some(shape) = given.and_then(|n| sizes.shape(n.ty)) {
                inner.bind(input.ty, &shape);
            }
        }
    }

    /// A sub-model's `forward`.
    fn forward(
        &mut self,
        model: &Outline<'_>,
        method: &Method,
        node: &Node,
        sizes: &Sizes,
        flow: &mut Flow,
        times: usize,
    ) -> Result<Inner> {
        let callee = model.report.and_then(|r| {
            r.methods
                .iter()
                .find(|m| m.name == "forward")
                .map(|m| (r, m))
        });
        let Some((report, callee)) = callee else {
            return Ok(Inner::None);
        };
        let mut inner = Sizes::new(&model.sizes, report.sizes);
        self.pass(method, node, sizes, callee, &mut inner);
        let title = format!("{}::forward", report.name);
        self.inner(model, callee, inner, title, flow, times)
    }

    /// A flow inside a flow: explained once, then referred to.
    fn inner(
        &mut self,
        outline: &Outline<'_>,
        callee: &'static Method,
        sizes: Sizes,
        title: String,
        flow: &mut Flow,
        times: usize,
    ) -> Result<Inner> {
        let same = format!("{callee:p} {}{sizes:?}", key(outline));
        let (inner, (_, kept, calls)) = match self.told.get(&same) {
            Some(told) => (Inner::Seen(told.0.clone()), told.clone()),
            None => {
                let told = self.method(outline, callee, sizes, title)?;
                let sum = (told.title.clone(), told.kept, told.calls);
                self.told.insert(same, sum.clone());
                (Inner::Flow(Box::new(told)), sum)
            }
        };
        flow.calls += calls * times;
        flow.kept = match (flow.kept, kept) {
            (Some(a), Some(b)) => Some(a.saturating_add(b.saturating_mul(times as u64))),
            _ => None,
        };
        Ok(inner)
    }

    fn stack(
        &mut self,
        layers: &[Outline<'_>],
        declared: &str,
        method: &Method,
        node: &Node,
        sizes: &Sizes,
        flow: &mut Flow,
    ) -> Result<Stack> {
        let before = flow.kept;
        let mut stack = Stack {
            count: layers.len(),
            classes: Vec::new(),
            declared: declared.to_string(),
            overridden: false,
            plan: None,
        };
        for class in classes(layers) {
            let first = &layers[class[0]];
            let inner = self.forward(first, method, node, sizes, flow, class.len())?;
            stack.classes.push(Class {
                layers: class,
                inner,
            });
        }
        let given = node
            .reads
            .iter()
            .filter_map(|id| method.nodes.iter().find(|n| n.id == *id));
        let given: Option<Vec<Vec<i64>>> = given
            .filter(|n| super::sizes::dims(n.ty).is_some())
            .map(|n| sizes.shape(n.ty))
            .collect();
        if let Some(shapes) = given {
            let shapes: Vec<&[i64]> = shapes.iter().map(Vec::as_slice).collect();
            let on = Computed {
                fused: self.fused,
                kernels: crate::kernels::select::takes_rows(self.dtype),
                tiled: self.tiled,
            };
            let width = self.dtype.size();
            let elements = |n: i64| usize::try_from(n).unwrap_or(0).saturating_mul(width);
            let each = layers
                .iter()
                .map(|l| l.keeps.as_ref().map(|k| k(&shapes, &on)));
            let each: Vec<_> = each.map(Option::unwrap_or_default).collect();
            let one = shapes.first().map_or(0, |s| s.iter().product::<i64>());
            let kept = cuts::Stack {
                nested: each.iter().any(|s| s.stacks > 0),
                layers: each.iter().map(|s| elements(s.values)).collect(),
                boundary: elements(one),
            };
            stack.plan(kept, self.checkpoint, self.room);
        }
        // A stack keeps what its layers keep once it is cut.
        if let (Some(before), Some(kept)) = (before, stack.kept()) {
            flow.kept = Some(before.saturating_add(kept));
        }
        Ok(stack)
    }
}

/// True if one of these is trained or adapted.
fn trained(outline: &Outline<'_>, fields: &[&str]) -> bool {
    fields.iter().any(|f| match outline.part(f) {
        Some(Part::Leaf(Leaf::Linear(l))) => l.keeps_input(),
        Some(Part::Leaf(Leaf::SwitchLinear(l))) => l.keeps_input(),
        Some(Part::Leaf(Leaf::Conv1d(l))) => l.keeps_input(),
        Some(Part::Leaf(Leaf::Conv2d(l))) => l.keeps_input(),
        Some(Part::Leaf(Leaf::Param(p))) => p.keeps_input(),
        _ => false,
    })
}

/// The arms around a node, the outermost first.
fn arms(outline: &Outline<'_>, method: &Method, id: usize) -> Vec<(usize, bool, bool)> {
    let mut found = Vec::new();
    for node in method.nodes.iter().rev() {
        let What::If {
            condition,
            then,
            otherwise,
            ..
        } = node.what
        else {
            continue;
        };
        let holds = |arm: (usize, usize)| (arm.0..arm.1).contains(&id);
        let held = outline.conditions.get(condition).copied().unwrap_or(true);
        if holds(then) {
            found.push((node.id, true, held));
        } else if holds(otherwise) {
            found.push((node.id, false, !held));
        }
    }
    found
}
