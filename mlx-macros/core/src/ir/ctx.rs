//! A call of an operation, as the rule for its result sees it.
//!
//! Tests: `mlx-tests --test rules`.

use proc_macro2::Span;

use crate::diag::{Diag, Result};
use crate::ir::{describe, noun, Arg, Graph, Id, Op, P};
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::logic::Facts;
use crate::syntax::names::Names;
use crate::syntax::signature::{Dt, Ty};

/// A call as its rule sees it.
pub struct Ctx<'a> {
    /// The operation.
    pub op: &'static Op,
    /// The arguments.
    pub args: &'a [Arg],
    /// The place of each argument.
    pub spans: &'a [Span],
    /// The place of the call.
    pub span: Span,
    /// The graph so far.
    pub graph: &'a Graph,
    /// Names for sizes.
    pub names: &'a Names,
    /// The conditions that are required, or asked by the `if`s around.
    pub facts: &'a Facts,
}

impl Ctx<'_> {
    /// The place of argument `i`.
    pub fn at(&self, i: usize) -> Span {
        self.spans.get(i).copied().unwrap_or(self.span)
    }

    /// The shape and dtype of a value; `None` where it has an error already.
    pub fn ty(&self, id: Id) -> Option<(&Shape, Dt)> {
        match &self.graph.nodes[id].ty {
            Ty::Tensor(s, d) => Some((s, *d)),
            _ => None,
        }
    }

    /// The shape and dtype of argument `i`, which must be a tensor.
    pub fn tensor(&self, i: usize) -> Result<(&Shape, Dt)> {
        match &self.args[i] {
            Arg::Value(id) => {
                let found = || Diag::expected_tensor(self.at(i), self.describe(i));
                self.ty(*id).ok_or_else(found)
            }
            _ => Err(Diag::expected_tensor(self.at(i), "this is a number")),
        }
    }

    /// The words of a message for argument `i`: its variable, shape and line.
    pub fn describe(&self, i: usize) -> String {
        match &self.args[i] {
            Arg::Value(id) => describe(self.graph, *id, self.names),
            Arg::Values(ids) => {
                let all: Vec<String> = ids
                    .iter()
                    .map(|id| describe(self.graph, *id, self.names))
                    .collect();
                all.join("; ")
            }
            _ => format!("argument {}", i + 1),
        }
    }

    /// As [`Ctx::describe`], where a noun fits.
    pub fn noun(&self, i: usize) -> String {
        match &self.args[i] {
            Arg::Value(id) => noun(self.graph, *id, self.names),
            Arg::Values(ids) => {
                let all = ids.iter().map(|id| noun(self.graph, *id, self.names));
                all.collect::<Vec<_>>().join("; ")
            }
            _ => self.describe(i),
        }
    }

    /// The axis given as argument `i`, counted from 0; `rank` is the number of allowed places.
    pub fn axis(&self, i: usize, rank: usize) -> Result<usize> {
        match self.args[i] {
            Arg::Int(axis) => self.resolve(i, axis, rank),
            _ => Err(Diag::expected_integer(self.at(i))),
        }
    }

    /// The place of the argument called `name`; past the last if there is none.
    pub fn place(&self, name: &str) -> usize {
        let params = self.op.params;
        let at = params.iter().position(|p| p.0 == name);
        at.unwrap_or(params.len())
    }

    /// The exact quotient of two sizes, where it is known to be one.
    pub fn divide(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        self.facts.divide(a, b)
    }

    /// True if a size is known to be below 0.
    pub fn negative(&self, d: &Dim) -> bool {
        d.as_constant().is_some_and(|n| n < 0) || self.facts.at_most(d, &Dim::constant(-1))
    }

    /// True if a size is known to be no more than another; what a call binds is left to the call.
    pub fn at_most(&self, a: &Dim, b: &Dim) -> bool {
        self.facts.bounded(a, b)
    }

    /// Refuses a number (argument `i`) that is not known to be at most a size.
    pub fn need_at_most(&self, i: usize, number: &Dim, size: &Dim) -> Result<()> {
        if self.at_most(number, size) {
            return Ok(());
        }
        let known = |d: &Dim| d.as_constant().is_some();
        let (at, op, found) = (self.at(i), self.op.name, self.noun(0));
        let (low, high) = (self.names.dim(number), self.names.dim(size));
        Err(match known(number) && known(size) {
            true => Diag::more_than(at, op, low, high, found),
            false => Diag::place_unknown(at, op, low, high, found),
        })
    }

    /// Refuses a size (part of argument `i`) that is not known to be 0 or more.
    pub fn need_size(&self, i: usize, d: &Dim) -> Result<()> {
        match d {
            d if self.negative(d) => Err(Diag::negative_size(self.at(i), self.op.name)),
            d if self.at_most(&Dim::constant(0), d) => Ok(()),
            d => Err(Diag::size_unknown(
                self.at(i),
                self.op.name,
                self.names.dim(d),
            )),
        }
    }

    /// As [`Ctx::need_size`], of each size given as argument `i`.
    pub fn need_sizes(&self, i: usize) -> Result<()> {
        self.dims(i).iter().try_for_each(|d| self.need_size(i, d))
    }

    /// The quotient rounded down, where it is known.
    pub fn floor_div(&self, a: &Dim, b: &Dim) -> Option<Dim> {
        self.facts.floor_div(a, b)
    }

    /// True if a condition (argument `i`) is set.
    pub fn flag(&self, i: usize) -> bool {
        matches!(&self.args[i], Arg::Bool(syn::Expr::Lit(l)) if matches!(&l.lit, syn::Lit::Bool(b) if b.value))
    }

    /// The one size given as argument `i`.
    pub fn size(&self, i: usize) -> Result<&Dim> {
        self.dims(i)
            .first()
            .ok_or_else(|| Diag::expected_sizes(self.at(i)))
    }

    /// The tensor given as argument `i`, if there is one.
    pub fn optional(&self, i: usize) -> Result<Option<(&Shape, Dt)>> {
        match self.args[i] {
            Arg::Absent => Ok(None),
            _ => self.tensor(i).map(Some),
        }
    }

    /// The axes given as argument `i`; an empty list means all.
    pub fn axes(&self, i: usize, rank: usize) -> Result<Vec<usize>> {
        match &self.args[i] {
            Arg::Ints(list) if list.is_empty() => Ok((0..rank).collect()),
            Arg::Ints(list) => {
                let axes = list.iter().map(|a| self.resolve(i, *a, rank));
                let axes = axes.collect::<Result<Vec<usize>>>()?;
                let twice = |(n, a): (usize, &usize)| axes[..n].contains(a);
                match self.op.params[i].1 == P::Axes && axes.iter().enumerate().any(twice) {
                    true => Err(Diag::axis_twice(self.at(i), self.op.name)),
                    false => Ok(axes),
                }
            }
            _ => Ok((0..rank).collect()),
        }
    }

    fn resolve(&self, i: usize, axis: i64, rank: usize) -> Result<usize> {
        self.axis_of(i, 0, axis, rank)
    }

    /// The place of an axis (part of argument `i`) of argument `of`.
    pub fn axis_of(&self, i: usize, of: usize, axis: i64, rank: usize) -> Result<usize> {
        let at = if axis < 0 { axis + rank as i64 } else { axis };
        if (0..rank as i64).contains(&at) {
            return Ok(at as usize);
        }

        Err(Diag::axis_outside(
            self.at(i),
            self.op.name,
            axis,
            self.noun(of),
        ))
    }

    /// True if `keepdims` (argument `i`) is set.
    pub fn keepdims(&self, i: usize) -> bool {
        self.flag(i)
    }

    /// The sizes given as argument `i`.
    pub fn dims(&self, i: usize) -> &[Dim] {
        match &self.args[i] {
            Arg::Dims(d) => d,
            _ => &[],
        }
    }
}
