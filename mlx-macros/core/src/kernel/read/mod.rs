//! Reads a graph as a row program, or says at each operation why one launch cannot do it.
//!
//! First every axis is followed through the graph (`axes`): axes along which elements meet are columns, all others
//! count rows. Then each operation becomes instructions (`emit`).
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test ui`.

mod along;
mod axes;
mod elementwise;
mod emit;
mod flow;
mod losses;
pub(crate) mod ops;
mod places;
mod random;

use std::collections::BTreeSet;

use proc_macro2::Span;

use crate::diag::Diag;
use crate::ir::{noun, Graph, Id, Kind};
use crate::kernel::ir::{At, Input, Output, Place, Program};
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::names::Names;
use crate::syntax::signature::{Dt, Method, Ty};
use axes::{strides, Atom, Axes, Axis};
use emit::Emit;

/// The axes of a value, or of each value of a tuple.
type Parts = Vec<Vec<Axis>>;

/// The axes of a kernel, as far as they are followed.
struct Reader<'a> {
    graph: &'a Graph,
    names: &'a Names,
    axes: Axes<'a>,
    /// For each node, the axes of its values.
    of: Vec<Parts>,
    /// For each `take` from an argument, the axes that are not chosen from.
    taken: Vec<(Id, Vec<Axis>)>,
    errors: Vec<Diag>,
    /// Nodes with a mistake, or that read one.
    bad: BTreeSet<Id>,
}

/// The row program of a function's graph, or every reason why there is none.
pub fn read(names: &Names, method: &Method, graph: &Graph) -> Result<Program, Vec<Diag>> {
    let mut r = Reader {
        graph,
        names,
        axes: Axes::new(names),
        of: Vec::new(),
        taken: Vec::new(),
        errors: Vec::new(),
        bad: BTreeSet::new(),
    };
    let live = graph.live();
    for id in 0..graph.nodes.len() {
        let parts = match live.contains(&id) {
            true => r.follow(id),
            false => vec![],
        };
        r.of.push(parts);
    }
    let program = r.space().and_then(|space| r.program(method, space));
    match program {
        Some(p) if r.errors.is_empty() => Ok(p),
        _ => Err(r.errors),
    }
}

/// The rows of a kernel, and the columns of its values.
struct Space {
    /// The leaves that count rows, outermost first.
    rows: Vec<Atom>,
    /// Lists of leaves that together are the columns of values.
    columns: Vec<Vec<Atom>>,
}

impl Space {
    /// The columns of a value with these leaves.
    fn columns(&self, leaves: &[Atom]) -> Option<&Vec<Atom>> {
        let mut all = self.columns.iter();
        all.find(|c| c.iter().any(|l| leaves.contains(l)))
    }
}

impl Reader<'_> {
    fn refuse(&mut self, id: Id, error: Diag) -> Parts {
        self.errors.push(error);
        self.bad.insert(id);
        vec![]
    }

    fn span(&self, id: Id) -> Span {
        self.graph.nodes[id].span
    }

    /// The leaves of a value's axes, outermost first.
    fn leaves(&self, axes: &[Axis]) -> Vec<Atom> {
        axes.iter().flat_map(|a| self.axes.leaves(a)).collect()
    }

    /// The results: nodes with the place in them.
    fn results(&self) -> Vec<(Id, usize)> {
        let one = |id: Id| match &self.graph.nodes[id].kind {
            Kind::Item(of, i) => (*of, *i),
            _ => (id, 0),
        };
        let Some(result) = self.graph.result else {
            return vec![];
        };
        match (&self.graph.nodes[result].kind, &self.graph.nodes[result].ty) {
            (Kind::Tuple(ids), _) => ids.iter().map(|id| one(*id)).collect(),
            (_, Ty::Tuple(all)) => (0..all.len()).map(|i| (result, i)).collect(),
            _ => vec![one(result)],
        }
    }

    /// True if a node is an argument whose axes mean nothing: only `take` reads it, or random numbers have it as their key.
    fn is_only_taken_from(&self, id: Id) -> bool {
        let input = matches!(self.graph.nodes[id].kind, Kind::Input(_));
        let reads = |n: &crate::ir::Node| n.inputs().contains(&id);
        let mut readers = (0..self.graph.nodes.len())
            .filter(|r| !self.of[*r].is_empty() && reads(&self.graph.nodes[*r]));
        let taken = |r: usize| match &self.graph.nodes[r].kind {
            Kind::Op { op, .. } if random::key(op).is_some() => true,
            Kind::Op { op, args } => {
                op.name == "take" && args[1..].iter().all(|a| !a.values().contains(&id))
            }
            _ => false,
        };
        input && !self.results().iter().any(|r| r.0 == id) && readers.all(taken)
    }

    /// The row space, if there is one for all values.
    fn space(&mut self) -> Option<Space> {
        if !self.errors.is_empty() {
            return None;
        }
        let results = self.results();
        let axes = |r: &Self, at: &(Id, usize)| r.of[at.0].get(at.1).cloned().unwrap_or_default();
        let marked = |r: &Self, leaves: &[Atom]| leaves.iter().any(|l| r.axes.is_column(*l));
        // The last axis of a result is its row, unless elements meet along another one.
        let all: Vec<Vec<Axis>> = results.iter().map(|at| axes(self, at)).collect();
        for a in &all {
            let last = a
                .last()
                .and_then(|axis| self.axes.leaves(axis).last().copied());
            let Some(last) = last else { continue };
            let meets = |part: &Vec<Axis>| {
                let leaves = self.leaves(part);
                leaves.contains(&last) && marked(self, &leaves)
            };
            if !self.of.iter().flatten().any(meets) {
                let _ = self.axes.mark(&[last], false);
            }
        }
        self.align(&all);
        if !self
            .of
            .iter()
            .flatten()
            .any(|a| marked(self, &self.leaves(a)))
        {
            let last = all.iter().find_map(|a| self.leaves(a).last().copied());
            let _ = self.axes.mark(&last.into_iter().collect::<Vec<_>>(), false);
        }
        let mut columns: Vec<Vec<Atom>> = Vec::new();
        for id in 0..self.of.len() {
            if self.is_only_taken_from(id) {
                continue;
            }
            for part in self.of[id].clone() {
                let leaves = self.leaves(&part);
                let own: Vec<Atom> = leaves
                    .into_iter()
                    .filter(|l| self.axes.is_column(*l))
                    .collect();
                if own.is_empty() {
                    continue;
                }
                let other = columns
                    .iter()
                    .position(|c| c.iter().any(|l| own.contains(l)));
                match other {
                    None => columns.push(own),
                    Some(i) if columns[i] == own => {}
                    Some(i) => {
                        let (a, b) = (self.axes.volume(&own), self.axes.volume(&columns[i]));
                        let found = noun(self.graph, id, self.names);
                        let error = match a == b {
                            true => Diag::kernel_strided(self.span(id), found),
                            false => {
                                let (a, b) = (self.names.dim(&a), self.names.dim(&b));
                                Diag::kernel_two_rows(self.span(id), found, a, b)
                            }
                        };
                        self.errors.push(error);
                        return None;
                    }
                }
            }
        }
        let row = |r: &Self, leaves: Vec<Atom>| -> Vec<Atom> {
            leaves
                .into_iter()
                .filter(|l| !r.axes.is_column(*l))
                .collect()
        };
        let mut rows: Vec<Atom> = Vec::new();
        for a in &all {
            for leaf in row(self, self.leaves(a)) {
                if !rows.contains(&leaf) {
                    rows.push(leaf);
                }
            }
        }
        for (at, a) in results.iter().zip(&all) {
            let own = row(self, self.leaves(a));
            let missing: Vec<Atom> = rows.iter().copied().filter(|l| !own.contains(l)).collect();
            if !missing.is_empty() {
                let of = self.names.dim(&self.axes.volume(&missing));
                let found = noun(self.graph, at.0, self.names);
                self.errors
                    .push(Diag::kernel_shared_result(self.span(at.0), found, of));
            }
        }
        // An axis that no result has is reduced, or it is a column of a value that is taken from.
        for id in 0..self.of.len() {
            if self.is_only_taken_from(id) {
                continue;
            }
            for part in self.of[id].clone() {
                let stray = row(self, self.leaves(&part))
                    .into_iter()
                    .find(|l| !rows.contains(l));
                if let (Some(_), true) = (stray, self.errors.is_empty()) {
                    let found = noun(self.graph, id, self.names);
                    let error = Diag::kernel_crossed(self.span(id), "kernel", found);
                    self.errors.push(error);
                }
            }
        }
        self.errors.is_empty().then_some(Space { rows, columns })
    }

    /// Rows of results that have nothing to do with each other, but as many of them, are computed together.
    fn align(&mut self, results: &[Vec<Axis>]) {
        let rows = |r: &Self, axes: &[Axis]| -> Vec<Atom> {
            r.leaves(axes)
                .into_iter()
                .filter(|l| !r.axes.is_column(*l))
                .collect()
        };
        for (i, axes) in results.iter().enumerate() {
            for before in &results[..i] {
                let (a, b) = (rows(self, before), rows(self, axes));
                let missing: Vec<Atom> = a.iter().copied().filter(|l| !b.contains(l)).collect();
                let own: Vec<Atom> = b.iter().copied().filter(|l| !a.contains(l)).collect();
                let apart = |part: &Vec<Axis>| {
                    let leaves = self.leaves(part);
                    !(leaves.iter().any(|l| missing.contains(l))
                        && leaves.iter().any(|l| own.contains(l)))
                };
                let alike = self.axes.volume(&missing) == self.axes.volume(&own);
                if !own.is_empty() && alike && self.of.iter().flatten().all(apart) {
                    let _ = self.axes.unify(&own, &missing);
                }
            }
        }
    }

    /// The place of an element of a row-contiguous array with these axes.
    fn at(&self, space: &Space, axes: &[Axis], shape: &[Dim]) -> Option<At> {
        let mut at = At {
            rows: Vec::new(),
            computed: Vec::new(),
            column: Dim::constant(0),
            offset: Dim::constant(0),
        };
        // The leaves with their strides, outermost first.
        let mut each: Vec<(Atom, Dim)> = Vec::new();
        for (axis, stride) in axes.iter().zip(strides(shape)) {
            let leaves = self.axes.leaves(axis);
            let sizes: Vec<Dim> = leaves.iter().map(|l| self.axes.size(*l).clone()).collect();
            let inner = strides(&sizes).into_iter().map(|s| s.times(&stride));
            each.extend(leaves.into_iter().zip(inner));
        }
        let mut column: Vec<(Atom, Dim)> = Vec::new();
        for (leaf, stride) in each {
            match space.rows.iter().position(|r| *r == leaf) {
                Some(i) => at.rows.push((i, stride)),
                None => column.push((leaf, stride)),
            }
        }
        if let Some((last, stride)) = column.last() {
            // The columns lie at one distance if each leaf's stride spans the ones behind it.
            let whole = space.columns(&[*last])?;
            let mut step = stride.clone();
            for leaf in whole.iter().rev() {
                let own = column.iter().find(|(l, _)| l == leaf)?;
                if own.1 != step {
                    return None;
                }
                step = step.times(self.axes.size(*leaf));
            }
            at.column.clone_from(stride);
        }
        at.rows.sort_by_key(|r| r.0);
        Some(at)
    }

    /// The instructions, once the rows are known.
    fn program(&mut self, method: &Method, space: Space) -> Option<Program> {
        let rows = space.rows.iter().map(|l| self.axes.size(*l).clone());
        let program = Program {
            name: method.name.to_string(),
            rows: rows.collect(),
            inputs: self.inputs(method),
            numbers: vec![],
            values: vec![],
            outputs: vec![],
            varying: vec![],
        };
        let results = self.results();
        let mut emit = Emit::new(self, &space, program);
        emit.nodes();
        let wanted: Vec<(Shape, Dt)> = match &method.ret {
            Ty::Tensor(s, d) => vec![(s.clone(), *d)],
            Ty::Tuple(all) => {
                let tensors = all.iter().filter_map(|t| match t {
                    Ty::Tensor(s, d) => Some((s.clone(), *d)),
                    _ => None,
                });
                tensors.collect()
            }
            _ => vec![],
        };
        for (i, (at, (shape, dtype))) in results.iter().zip(wanted).enumerate() {
            emit.output(*at, i, results.len(), shape, dtype);
        }
        let (program, errors) = emit.finish();
        self.errors.extend(errors);
        Some(program)
    }

    fn inputs(&self, method: &Method) -> Vec<Input> {
        let tensors = method.args.iter().filter_map(|a| match &a.ty {
            Ty::Tensor(shape, dtype) => Some(Input {
                name: a.name.to_string(),
                shape: shape.clone(),
                dtype: *dtype,
            }),
            _ => None,
        });
        tensors.collect()
    }
}

/// An output at its own place.
fn stored(name: String, shape: Shape, dtype: Dt, value: usize, at: At) -> Output {
    Output {
        name,
        shape,
        dtype,
        value,
        place: Place::At(at),
    }
}
