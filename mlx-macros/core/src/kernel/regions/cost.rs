//! Decides what a region is worth: the values that it keeps for the backward pass, and those that it spares.
//!
//! Tests: `tests/regions.rs`; `mlx-tests --test kept_bytes`.

use std::collections::BTreeSet;

use super::{Found, Pass};
use crate::ir::{Arg, Between, Id, Inputs, Kind};
use crate::kernel::schedule::is_flat;
use crate::syntax::dims::{is_free, volume, Dim};
use crate::syntax::signature::{Dt, Ty};

impl Pass<'_> {
    /// True if a region keeps no more than the smaller one and the added operations for themselves.
    pub(super) fn keeps_less(&self, found: &Found, added: &[Id], larger: &Found) -> bool {
        let start = match found.members.len() {
            1 => {
                let each = found.members.iter();
                each.fold(Kept::default(), |k, m| k.and(self.composed(*m)))
            }
            _ => Kept {
                values: found.kept.clone(),
                between: Dim::default(),
            },
        };
        let before = added.iter().fold(start, |k, m| k.and(self.composed(*m)));
        let sum = |ids: &BTreeSet<Id>| {
            let sizes = ids.iter().map(|id| self.size(*id));
            sizes.fold(Dim::default(), |s, d| s.plus(&d))
        };
        let kept = sum(&before.values).plus(&before.between);
        // Inputs that all rows share, or many, are little beside what the kernel writes.
        let outputs = larger.outputs.iter();
        let written: Vec<Dim> = outputs.map(|o| self.size(*o)).collect();
        covers(&kept.plus(&sum(&larger.kept).negated()), &written)
    }

    /// The elements of a float value that is no parameter.
    fn size(&self, id: Id) -> Dim {
        let node = &self.graph.nodes[id];
        match (&node.kind, &node.ty) {
            (Kind::Param(_) | Kind::Weight { .. }, _) => Dim::default(),
            (_, Ty::Tensor(shape, Dt::Float | Dt::F32)) => volume(shape),
            _ => Dim::default(),
        }
    }

    /// The values that a node keeps for its gradient as an operation of MLX.
    fn composed(&self, id: Id) -> Kept {
        let mut kept = Kept::default();
        let Kind::Op { op, args } = &self.graph.nodes[id].kind else {
            return kept;
        };
        let keeps = op.kept(args);
        if keeps.output {
            kept.values.insert(self.root(id));
        }
        let tensors = args.iter().filter(|a| !matches!(a, Arg::Weak { .. }));
        let tensors: Vec<Id> = tensors.flat_map(Arg::values).collect();
        match keeps.inputs {
            Inputs::None => {}
            Inputs::All => kept.values.extend(tensors.iter().map(|t| self.root(*t))),
            // An operand is kept for the gradients of the others; what weights meet is not, where these are frozen.
            Inputs::Others => {
                for (i, t) in tensors.iter().enumerate() {
                    let mut others = tensors.iter().enumerate().filter(|(j, _)| *j != i);
                    if others.any(|(_, o)| self.trains(*o)) {
                        kept.values.insert(self.root(*t));
                    }
                }
            }
        }
        kept.between = match keeps.between {
            Between::Results(n) => self.size(id).times(&Dim::constant(n)),
            _ => Dim::default(),
        };
        kept
    }

    /// True if a value has a gradient for sure: it is no number, and made of more than weights.
    fn trains(&self, id: Id) -> bool {
        let node = &self.graph.nodes[id];
        match &node.kind {
            _ if !matches!(node.ty, Ty::Tensor(_, Dt::Float | Dt::F32)) => false,
            Kind::Param(_) | Kind::Weight { .. } => false,
            Kind::Op { op, .. } if op.keeps.stops => false,
            Kind::Op { args, .. } => args.iter().flat_map(Arg::values).any(|v| self.trains(v)),
            _ => true,
        }
    }

    /// True if an operation reads weights alone.
    fn is_of_weights(&self, id: Id) -> bool {
        let weight = |i: &Id| {
            let kind = &self.graph.nodes[*i].kind;
            matches!(kind, Kind::Param(_) | Kind::Weight { .. })
        };
        let inputs = self.graph.nodes[id].inputs();
        !inputs.is_empty() && inputs.iter().all(weight)
    }

    /// True if a kernel spares reading and writing a whole intermediate value.
    pub(super) fn saves(&self, found: &Found) -> bool {
        let outputs = &found.outputs;
        // Two passes over memory are no slower than a kernel; three are, and so is one with a slow function.
        let work = found.members.iter();
        let work = work.filter(|m| self.works(**m) && !self.is_of_weights(**m));
        let worth: usize = work
            .clone()
            .map(|m| match (self.is_cheap(*m), self.is_compound(*m)) {
                (true, _) => 1,
                (_, false) => 2,
                (_, true) => 3,
            })
            .sum();
        let float =
            |id: &Id| matches!(self.graph.nodes[*id].ty, Ty::Tensor(_, Dt::Float | Dt::F32));
        let elements = |id: &Id| match &self.graph.nodes[*id].ty {
            Ty::Tensor(shape, _) => volume(shape),
            _ => Dim::default(),
        };
        let spared = |m: &Id| {
            let whole = |o: &Id| elements(m).divided_by(&elements(o)).is_some();
            let inside = |r: &Id| self.graph.nodes[*r].inputs().contains(m);
            let read = found.members.iter().any(inside);
            (read || !outputs.contains(m)) && self.works(*m) && outputs.iter().any(whole)
        };
        let rows = found.programs.forward.rows.iter();
        let many = rows.flat_map(|d| d.names()).any(is_free);
        worth > 2
            && outputs.iter().any(float)
            && (work.clone().any(|m| self.is_compound(*m)) || found.members.iter().any(spared))
            && (many || is_flat(&found.programs.forward).is_some())
    }
}

/// Values that a backward pass needs.
#[derive(Default)]
struct Kept {
    values: BTreeSet<Id>,
    between: Dim,
}

impl Kept {
    fn and(mut self, other: Kept) -> Kept {
        self.values.extend(other.values);
        self.between = self.between.plus(&other.between);
        self
    }
}

/// True if a sum of sizes is 0 or more as far as its names show, or little beside others: each negative term is part of a
/// positive one, or of one of those.
fn covers(d: &Dim, beside: &[Dim]) -> bool {
    let positive = d.terms().filter(|t| t.1 > 0).map(|t| t.0);
    let beside = beside.iter().flat_map(Dim::terms).map(|t| t.0);
    let positive: Vec<&[String]> = positive.chain(beside).collect();
    let part = |names: &[String], of: &[String]| {
        let mut rest = of.to_vec();
        names.len() < of.len()
            && names.iter().all(|n| {
                let at = rest.iter().position(|r| r == n);
                at.map(|i| rest.remove(i)).is_some()
            })
    };
    let mut negative = d.terms().filter(|t| t.1 < 0);
    negative.all(|(names, _)| positive.iter().any(|of| part(names, of)))
}
