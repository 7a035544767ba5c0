//! Counts the values that a forward pass keeps for the backward pass, as polynomials in the dims.
//!
//! From these the runtime decides where a stack of layers is cut.
//!
//! Tests: `tests/llama.rs`; `mlx-tests --test kept_bytes`.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Expr, Ident, Path};

use crate::ir::{Arg, Between, Callee, Graph, Held, Id, Inputs, Kind, Node, Window, LAYER};
use crate::kernel::regions::{self, Read};
use crate::syntax::dims::{volume, Dim, Shape};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Dt, Ty};

/// Values that one call of a method keeps.
#[derive(Default)]
pub struct Saved {
    /// Values in the activations' dtype.
    pub values: Dim,
    /// Scores of attention with its rotation, kept only where neither our operation nor MLX computes it in tiles.
    pub scores: Dim,
    /// Scores of attention alone, kept where MLX does not compute it in tiles.
    pub plain: Dim,
    /// Inputs of linear maps, kept if one of these fields is trained or adapted.
    pub inputs: Vec<(BTreeSet<String>, Dim)>,
    /// Calls of others, which keep values of their own, with the shapes of their arguments.
    pub calls: Vec<(Keeper, Vec<Shape>)>,
    /// Values that either arm of an `if` keeps.
    pub arms: Vec<(Expr, Saved, Saved)>,
}

/// Someone who keeps values of its own.
pub enum Keeper {
    /// A sub-model.
    Model(Ident),
    /// Another method of a sub-model.
    Other(Ident, Ident),
    /// A stack of layers.
    Layers(Ident),
    /// Another method of this model.
    Method(Ident),
    /// A helper function.
    Function(Path),
}

/// The form in which regions run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As kernels.
    Kernels,
    /// Composed of MLX's operations.
    Composed,
}

/// True if a method keeps other values where its kernels are composed.
pub fn has_kernels(graph: &Graph) -> bool {
    let kernel = |id: Id| matches!(graph.nodes[id].kind, Kind::Kernel(_));
    graph.live().into_iter().any(kernel)
}

/// A graph in one of its forms.
#[derive(Clone, Copy)]
struct View<'a> {
    model: &'a ModelDef,
    graph: &'a Graph,
    form: Form,
}

impl View<'_> {
    fn live(self) -> BTreeSet<Id> {
        match self.form {
            Form::Kernels => self.graph.live(),
            Form::Composed => self.graph.live_composed(),
        }
    }

    /// The node that computes a value.
    fn source(self, id: Id) -> Id {
        match self.form {
            Form::Kernels => id,
            Form::Composed => self.graph.composed(id),
        }
    }
}

/// The value that a view shares memory with.
fn root(view: View<'_>, id: Id) -> Id {
    let (graph, id) = (view.graph, view.source(id));
    match &graph.nodes[id].kind {
        Kind::Op { op, args } => match args.first() {
            Some(Arg::Value(x)) if op.keeps.view => root(view, *x),
            _ => id,
        },
        Kind::Item(x, _) if matches!(graph.nodes[*x].kind, Kind::Op { .. }) => root(view, *x),
        _ => id,
    }
}

/// The readers of a value in the backward pass.
#[derive(Default)]
struct Need {
    always: bool,
    fields: BTreeSet<String>,
}

impl Need {
    fn add(&mut self, other: Need) {
        self.always |= other.always;
        self.fields.extend(other.fields);
    }

    fn or(mut self, other: Need) -> Need {
        self.add(other);
        self
    }
}

/// The condition for a value to have a gradient: none has one that is made of numbers; some
/// fields, if it is made of parameters.
fn trains(view: View<'_>, id: Id) -> Need {
    let View { model, graph, .. } = view;
    let node = &graph.nodes[view.source(id)];
    let float = matches!(node.ty, Ty::Tensor(_, Dt::Float | Dt::F32));
    match &node.kind {
        _ if !float => Need::default(),
        Kind::Param(name) | Kind::Weight { field: name, .. } => {
            let mut fields = model.fields.iter();
            let trained = fields.any(|f| f.name == *name && !f.frozen);
            let fields = trained.then(|| name.to_string()).into_iter().collect();
            Need {
                always: false,
                fields,
            }
        }
        Kind::Op { op, .. } if op.keeps.stops => Need::default(),
        Kind::Held {
            what: Held::State(_),
            ..
        } => Need::default(),
        Kind::Op { args, .. } => {
            let inputs = args.iter().flat_map(Arg::values);
            let inputs = inputs.map(|v| trains(view, v));
            inputs.fold(Need::default(), Need::or)
        }
        _ => Need {
            always: true,
            fields: BTreeSet::new(),
        },
    }
}

/// The values that are kept, and the linear maps of which one must be trained or adapted for that;
/// none if they are kept in any case.
pub fn kept(model: &ModelDef, graph: &Graph) -> BTreeMap<Id, BTreeSet<String>> {
    let form = Form::Kernels;
    let needs = needs(View { model, graph, form }, &graph.live());
    let float = |id: &Id| {
        let node = &graph.nodes[*id];
        matches!(node.ty, Ty::Tensor(_, Dt::Float | Dt::F32))
            && !matches!(node.kind, Kind::Param(_) | Kind::Weight { .. })
    };
    let kept = needs.into_iter().filter(|(id, _)| float(id));
    kept.map(|(id, need)| match need.always {
        true => (id, BTreeSet::new()),
        false => (id, need.fields),
    })
    .collect()
}

/// A value is kept if the gradient of an operation that reads it needs it.
pub fn saved(model: &ModelDef, graph: &Graph, form: Form) -> Saved {
    let view = View { model, graph, form };
    let live = view.live();
    let needs = needs(view, &live);
    let mut out = region(graph, &live, &needs, 0, graph.nodes.len());
    for id in live {
        if let (Kind::Kernel(r), Form::Kernels) = (&graph.nodes[id].kind, form) {
            for read in regions::kept(&model.names, r) {
                if let Read::Numbers(rows) = read {
                    out.values = out.values.plus(&rows);
                }
            }
        }
        // Composed of MLX's operations: the values without their mean and, for the weight's gradient, those before it.
        if let (Kind::Leaf { field, .. }, Ty::Tensor(shape, _)) =
            (&graph.nodes[id].kind, &graph.nodes[id].ty)
        {
            let group_norm = matches!(kind_of(model, field), Some(FieldKind::Layer(held)) if held.layer.name == "GroupNorm");
            if group_norm {
                let size = volume(shape);
                out.values = out.values.plus(&size);
                out.inputs.push(([field.to_string()].into(), size));
            }
        }
        let (field, body, count) = match &graph.nodes[id].kind {
            Kind::Loop { field, body, .. } => match kind_of(model, field) {
                Some(FieldKind::Layers { count, .. }) => (Some(field), body, count.clone()),
                _ => continue,
            },
            Kind::Steps { count, body, .. } => (None, body, count.clone()),
            _ => continue,
        };
        let inner = whichever(saved(model, &body.graph, form));
        out.values = out.values.plus(&inner.values.times(&count));
        out.scores = out.scores.plus(&inner.scores.times(&count));
        out.plain = out.plain.plus(&inner.plain.times(&count));
        let inputs = inner.inputs.into_iter();
        out.inputs
            .extend(inputs.map(|(fields, d)| (fields, d.times(&count))));
        let calls = inner.calls.into_iter();
        out.calls
            .extend(calls.map(|(keeper, shapes)| match (keeper, field) {
                (Keeper::Model(f), Some(field)) if f == LAYER => {
                    (Keeper::Layers(field.clone()), shapes)
                }
                (other, _) => (other, shapes),
            }));
    }
    out
}

/// An estimate that holds whichever arms run: the values of both, and the calls of the one that has more.
fn whichever(mut saved: Saved) -> Saved {
    for (_, then, otherwise) in std::mem::take(&mut saved.arms) {
        let (mut a, mut b) = (whichever(then), whichever(otherwise));
        for arm in [&a, &b] {
            saved.values = saved.values.plus(&arm.values);
            saved.scores = saved.scores.plus(&arm.scores);
            saved.plain = saved.plain.plus(&arm.plain);
        }
        let calls = if a.calls.len() >= b.calls.len() {
            &mut a.calls
        } else {
            &mut b.calls
        };
        saved.calls.append(calls);
    }
    saved
}

fn needs(view: View<'_>, live: &BTreeSet<Id>) -> BTreeMap<Id, Need> {
    let View { model, graph, .. } = view;
    let mut needs: BTreeMap<Id, Need> = BTreeMap::new();
    for id in live {
        let node = &graph.nodes[*id];
        let mut need = |v: Id| needs.entry(root(view, v)).or_default().always = true;
        match &node.kind {
            Kind::Op { op, args } => {
                let keeps = op.kept(args);
                if keeps.output {
                    need(*id);
                }
                match keeps.inputs {
                    Inputs::None => {}
                    Inputs::All => args.iter().flat_map(Arg::values).for_each(need),
                    Inputs::Others => {
                        // A number has no gradient, and is not kept.
                        let tensors = args.iter().filter(|a| !matches!(a, Arg::Weak { .. }));
                        let tensors: Vec<Id> = tensors.flat_map(Arg::values).collect();
                        for (i, v) in tensors.iter().enumerate() {
                            let others = tensors.iter().enumerate().filter(|(j, _)| *j != i);
                            let by = others.map(|(_, o)| trains(view, *o));
                            let by = by.fold(Need::default(), Need::or);
                            if by.always || !by.fields.is_empty() {
                                needs.entry(root(view, *v)).or_default().add(by);
                            }
                        }
                    }
                }
            }
            Kind::Leaf { field, args, .. } => match kind_of(model, field) {
                Some(kind) if kind.is_linear() => {
                    for v in args.iter().flat_map(Arg::values) {
                        let need = needs.entry(root(view, v)).or_default();
                        need.fields.insert(field.to_string());
                    }
                }
                Some(FieldKind::Rope { .. } | FieldKind::Embedding { .. }) => {}
                _ => args.iter().flat_map(Arg::values).for_each(need),
            },
            Kind::Joined { field, input, .. } => {
                let need = needs.entry(root(view, *input)).or_default();
                need.fields.insert(field.to_string());
            }
            Kind::Kernel(r) => {
                for read in regions::kept(&model.names, r) {
                    match read {
                        Read::Input(v) => need(v),
                        Read::Output(i) => need(given(graph, *id, i)),
                        Read::Numbers(_) => {}
                    }
                }
            }
            Kind::Attention(a) => need(a.v),
            _ => {}
        }
    }
    needs
}

/// The node of one of a kernel's values.
fn given(graph: &Graph, kernel: Id, i: usize) -> Id {
    let own = |n: &Node| matches!(n.kind, Kind::Item(of, at) if of == kernel && at == i);
    graph.nodes.iter().position(own).unwrap_or(kernel)
}

fn kind_of<'m>(model: &'m ModelDef, field: &Ident) -> Option<&'m FieldKind> {
    let found = model.fields.iter().find(|f| f.name == *field);
    found.map(|f| &f.kind)
}

/// Values that the nodes from `start` up to `end` keep.
fn region(
    graph: &Graph,
    live: &BTreeSet<Id>,
    needs: &BTreeMap<Id, Need>,
    start: Id,
    end: Id,
) -> Saved {
    let inner = |arm: &crate::ir::Arm| region(graph, live, needs, arm.start, arm.end);
    let arms = |id: Id| match &graph.nodes[id].kind {
        Kind::If {
            then, otherwise, ..
        } => Some((then, otherwise)),
        _ => None,
    };
    // Nodes of arms belong to the arms.
    let nested = |id: Id| {
        (id + 1..end)
            .filter_map(arms)
            .any(|(a, b)| a.holds(id) || b.holds(id))
    };
    let mut out = Saved::default();
    // A kernel writes also values that nothing but its gradient reads.
    let written = |id: &Id| match graph.nodes[*id].kind {
        Kind::Item(of, _) => matches!(graph.nodes[of].kind, Kind::Kernel(_)) && live.contains(&of),
        _ => live.contains(id),
    };
    for id in (start..end).filter(|id| written(id) && !nested(*id)) {
        let node = &graph.nodes[id];
        let size = match &node.ty {
            Ty::Tensor(shape, Dt::Float | Dt::F32) => Some(volume(shape)),
            _ => None,
        };
        // Parameters are there anyway.
        let parameter = matches!(node.kind, Kind::Param(_) | Kind::Weight { .. });
        if let (Some(need), Some(size), false) = (needs.get(&id), &size, parameter) {
            match need.always {
                true => out.values = out.values.plus(size),
                false => out.inputs.push((need.fields.clone(), size.clone())),
            }
        }
        one(graph, id, &mut out);
        if let Kind::If {
            condition,
            then,
            otherwise,
        } = &node.kind
        {
            out.arms
                .push((condition.clone(), inner(then), inner(otherwise)));
        }
    }
    out
}

/// Adds the values that a node keeps beside its inputs and its result.
fn one(graph: &Graph, id: Id, out: &mut Saved) {
    let node = &graph.nodes[id];
    let shape_of = |v: Id| match &graph.nodes[v].ty {
        Ty::Tensor(shape, _) => Some(shape),
        _ => None,
    };
    let shapes = |args: &[Arg]| -> Vec<Shape> {
        let values = args.iter().flat_map(Arg::values);
        values.filter_map(shape_of).cloned().collect()
    };
    let size = |v: Id| shape_of(v).map(|s| volume(s)).unwrap_or_default();
    let mut add = |size: Dim| out.values = out.values.plus(&size);
    match &node.kind {
        Kind::Op { op, args } => {
            let first = || args.first()?.values().first().copied();
            match op.kept(args).between {
                Between::Results(n) => add(size(id).times(&Dim::constant(n))),
                Between::Firsts(n) => {
                    add(size(first().unwrap_or(id)).times(&Dim::constant(n)));
                }
                Between::IfAllGiven => {
                    if !args.iter().any(|a| matches!(a, Arg::Absent)) {
                        add(size(id));
                    }
                }
                Between::Windows => {
                    if let Some(Arg::Dims(kernel)) = args.get(1) {
                        add(size(id).times(&volume(kernel)));
                    }
                }
                Between::Scores => {
                    let shape = |i: usize| shape_of(*args.get(i)?.values().first()?);
                    if let (Some([.., l, _]), Some([.., s, _])) =
                        (shape(0).map(Vec::as_slice), shape(1).map(Vec::as_slice))
                    {
                        let rows = shape_of(id).map(|o| volume(&o[..o.len().saturating_sub(2)]));
                        let scores = rows.unwrap_or_default().times(l).times(s);
                        out.plain = out.plain.plus(&scores);
                    }
                }
            }
        }
        Kind::Attention(a) => {
            // Rotated queries and keys, and the scores of each head.
            out.values = out.values.plus(&size(a.q)).plus(&size(a.k));
            if let Some(shape) = shape_of(id) {
                if let Some(rows) = volume(shape).divided_by(&a.head_dim) {
                    let scores = rows.times(&shape[1]);
                    // Attention to a window may need a mask, which our operation has not.
                    let [mut masked, mut causal] = [Saved::default(), Saved::default()];
                    masked.plain.clone_from(&scores);
                    causal.scores = scores;
                    match &a.window {
                        None => out.scores = out.scores.plus(&causal.scores),
                        Some(Window { only: None, .. }) => {
                            out.plain = out.plain.plus(&masked.plain)
                        }
                        Some(Window {
                            only: Some((condition, holds)),
                            ..
                        }) => {
                            let (then, otherwise) = match holds {
                                true => (masked, causal),
                                false => (causal, masked),
                            };
                            out.arms.push((condition.clone(), then, otherwise));
                        }
                    }
                }
            }
        }
        // The gradient, which is computed along with the value, or the input: no logits.
        Kind::LinearCrossEntropy { input, .. } => out.values = out.values.plus(&size(*input)),
        Kind::Sub { field, args, call } => {
            if let Callee::Method(_, name) = &call.callee {
                let keeper = Keeper::Other(field.clone(), name.clone());
                out.calls.push((keeper, shapes(args)));
                return;
            }
            out.calls.push((Keeper::Model(field.clone()), shapes(args)));
        }
        Kind::Method { name, args } => {
            out.calls.push((Keeper::Method(name.clone()), shapes(args)));
        }
        Kind::Function { args, call } => {
            if let Callee::Function(path) = &call.callee {
                out.calls
                    .push((Keeper::Function(path.clone()), shapes(args)));
            }
        }
        Kind::Layers {
            field,
            carried,
            extra,
            ..
        } => {
            let all = std::iter::once(carried).chain(extra);
            let all = all.filter_map(|v| shape_of(*v)).cloned().collect();
            out.calls.push((Keeper::Layers(field.clone()), all));
        }
        _ => {}
    }
}
