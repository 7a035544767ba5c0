//! Writes the instructions of each node, once rows and columns are known.
//!
//! Tests: `tests/kernels.rs`.

use proc_macro2::Span;
use syn::Expr;

use super::axes::{Atom, Axis};
use super::ops::{self, Shape as Form};
use super::{stored, Reader, Space};
use crate::diag::Diag;
use crate::ir::{noun, Arg, Id, Kind};
use crate::kernel::ir::{Binary, Computed, Constant, Op, Program, Reduce, Scalar, Unary, V};
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::literals::{integer, literal};
use crate::syntax::signature::{Dt, Ty};

/// The program so far.
pub(super) struct Emit<'r, 'a> {
    pub(super) r: &'r Reader<'a>,
    space: &'r Space,
    program: Program,
    /// For each node, its values; those of arguments are loaded when they are read.
    values: Vec<Vec<V>>,
    errors: Vec<Diag>,
    /// The node whose instructions are written.
    at: Id,
}

/// An instruction cannot be written; the reason is among the errors.
pub(super) struct Failed;

pub(super) type Emitted = Result<V, Failed>;

impl<'r, 'a> Emit<'r, 'a> {
    pub(super) fn new(r: &'r Reader<'a>, space: &'r Space, program: Program) -> Self {
        Emit {
            r,
            space,
            program,
            values: vec![],
            errors: vec![],
            at: 0,
        }
    }

    /// The program without what no output needs, and the mistakes.
    pub(super) fn finish(self) -> (Program, Vec<Diag>) {
        (self.program.pruned(), self.errors)
    }

    pub(super) fn nodes(&mut self) {
        for id in 0..self.r.graph.nodes.len() {
            self.at = id;
            let values = match &self.r.graph.nodes[id].kind {
                Kind::Op { op, args } if !self.r.of[id].is_empty() => {
                    let before = self.program.values.len();
                    let made = self.operation(op.name, args).unwrap_or_default();
                    let name = self.r.graph.nodes[id].name.clone();
                    if let ([one], Some(name)) = (&made[..], name) {
                        if *one >= before {
                            self.program.values[*one].name = Some(name);
                        }
                    }
                    made
                }
                _ => vec![],
            };
            self.values.push(values);
        }
    }

    /// The value of a node, or of a part of it.
    fn value(&mut self, id: Id, part: usize) -> Emitted {
        match &self.r.graph.nodes[id].kind {
            Kind::Item(of, i) => match &self.r.graph.nodes[*of].kind {
                Kind::Tuple(ids) => self.value(ids[*i], 0),
                _ => self.value(*of, *i),
            },
            Kind::Input(name) => {
                let name = name.to_string();
                let input = self
                    .program
                    .inputs
                    .iter()
                    .position(|i| i.name == name)
                    .ok_or(Failed)?;
                let (shape, dtype) = (
                    self.program.inputs[input].shape.clone(),
                    self.program.inputs[input].dtype,
                );
                let axes = &self.r.of[id][0];
                let width = self.width(axes);
                let Some(at) = self.r.at(self.space, axes, &shape) else {
                    return self.fail(Diag::kernel_strided(self.span(), self.noun(id)));
                };
                let v = self.push(Op::Load { input, at }, Scalar::of(dtype), width);
                self.program.values[v].name.get_or_insert(name);
                Ok(v)
            }
            _ => self.values[id].get(part).copied().ok_or(Failed),
        }
    }

    pub(super) fn output(
        &mut self,
        of: (Id, usize),
        i: usize,
        count: usize,
        shape: Shape,
        dtype: Dt,
    ) {
        self.at = of.0;
        let Ok(mut v) = self.value(of.0, of.1) else {
            return;
        };
        let axes = self.r.of[of.0][of.1].clone();
        if let (Some(width), None) = (self.width(&axes), &self.program.values[v].width) {
            v = self.push(
                Op::Join(vec![(v, width.clone())]),
                self.scalar(v),
                Some(width),
            );
        }
        let v = self.to(v, Scalar::of(dtype));
        let Some(at) = self.r.at(self.space, &axes, &shape) else {
            let error = Diag::kernel_strided(self.span(), self.noun(of.0));
            self.errors.push(error);
            return;
        };
        let node = &self.r.graph.nodes[of.0];
        let own = node
            .name
            .clone()
            .filter(|_| !matches!(node.kind, Kind::Input(_)) && of.1 == 0);
        let mut name = own.unwrap_or_else(|| match count {
            1 => "out".to_string(),
            _ => format!("out{i}"),
        });
        while self.program.is_named(&name) {
            name.push('_');
        }
        self.program.outputs.push(stored(name, shape, dtype, v, at));
    }

    pub(super) fn span(&self) -> Span {
        self.r.graph.nodes[self.at].span
    }

    fn noun(&self, id: Id) -> String {
        noun(self.r.graph, id, self.r.names)
    }

    pub(super) fn fail<T>(&mut self, error: Diag) -> Result<T, Failed> {
        self.errors.push(error);
        Err(Failed)
    }

    pub(super) fn scalar(&self, v: V) -> Scalar {
        self.program.values[v].scalar
    }

    pub(super) fn is_wide(&self, v: V) -> bool {
        self.program.values[v].width.is_some()
    }

    pub(super) fn width_of(&self, v: V) -> Option<Dim> {
        self.program.values[v].width.clone()
    }

    /// The columns of a value with these axes.
    fn width(&self, axes: &[Axis]) -> Option<Dim> {
        let leaves = self.r.leaves(axes);
        let columns = self.space.columns(&leaves)?;
        Some(self.r.axes.volume(columns))
    }

    /// A new instruction, or the same one from before.
    pub(super) fn push(&mut self, op: Op, scalar: Scalar, width: Option<Dim>) -> V {
        let line = self.span().start().line;
        self.program.push(op, scalar, width, line)
    }

    pub(super) fn float(&mut self, x: f64) -> V {
        let constant = Op::Constant(Constant::Float(x as f32));
        self.push(constant, Scalar::F32, None)
    }

    pub(super) fn whole(&mut self, x: i64, scalar: Scalar) -> V {
        match scalar {
            Scalar::F32 => self.float(x as f64),
            _ => self.push(Op::Constant(Constant::Whole(x)), scalar, None),
        }
    }

    /// A size, in a type of numbers.
    pub(super) fn size(&mut self, d: &Dim, scalar: Scalar) -> V {
        match d.as_constant() {
            Some(n) => self.whole(n, scalar),
            None => self.push(Op::Size(d.clone()), scalar, None),
        }
    }

    /// A value in another type.
    pub(super) fn to(&mut self, v: V, scalar: Scalar) -> V {
        match self.scalar(v) == scalar {
            true => v,
            false => {
                let width = self.program.values[v].width.clone();
                self.push(Op::Cast(v), scalar, width)
            }
        }
    }

    fn both(&mut self, a: V, b: V) -> Result<Option<Dim>, Failed> {
        match (&self.program.values[a].width, &self.program.values[b].width) {
            (Some(x), Some(y)) if x != y => {
                let error = Diag::kernel_strided(self.span(), self.noun(self.at));
                self.fail(error)
            }
            (Some(x), _) | (_, Some(x)) => Ok(Some(x.clone())),
            _ => Ok(None),
        }
    }

    pub(super) fn unary(&mut self, op: Unary, a: V) -> V {
        let (width, scalar) = (self.program.values[a].width.clone(), self.scalar(a));
        let scalar = match op {
            Unary::IsNan | Unary::IsInf => Scalar::Bool,
            _ => scalar,
        };
        self.push(Op::Unary(op, a), scalar, width)
    }

    pub(super) fn binary(&mut self, op: Binary, a: V, b: V) -> Emitted {
        let width = self.both(a, b)?;
        let scalar = match op.compares() {
            true => Scalar::Bool,
            false => self.scalar(a),
        };
        Ok(self.push(Op::Binary(op, a, b), scalar, width))
    }

    pub(super) fn select(&mut self, c: V, a: V, b: V) -> Emitted {
        let ab = self.both(a, b)?;
        let width = match ab {
            Some(w) => {
                self.both(c, a)?;
                self.both(c, b)?;
                Some(w)
            }
            None => self.program.values[c].width.clone(),
        };
        let scalar = self.scalar(a);
        Ok(self.push(Op::Select(c, a, b), scalar, width))
    }

    pub(super) fn reduce(&mut self, op: Reduce, v: V) -> V {
        let scalar = match op {
            Reduce::ArgMax | Reduce::ArgMin => Scalar::U32,
            _ => self.scalar(v),
        };
        self.push(Op::Reduce(op, v), scalar, None)
    }

    /// The value of an operand in a type.
    pub(super) fn operand(&mut self, arg: &Arg, scalar: Scalar) -> Emitted {
        match arg {
            Arg::Value(id) => {
                let v = self.value(*id, 0)?;
                Ok(self.to(v, scalar))
            }
            Arg::Weak { expr, .. } | Arg::Scalar(expr) => Ok(self.number(expr, scalar)),
            Arg::Int(i) => Ok(self.whole(*i, scalar)),
            _ => Err(Failed),
        }
    }

    /// A number: a constant, or one that the call gives.
    pub(super) fn number(&mut self, e: &Expr, scalar: Scalar) -> V {
        match (literal(e), integer(e), scalar) {
            (_, Some(n), Scalar::I32 | Scalar::U32 | Scalar::Bool) => self.whole(n, scalar),
            (Some(x), ..) => self.float(x),
            _ => {
                let v = self.program.number(e);
                self.push(Op::Number(v), Scalar::F32, None)
            }
        }
    }

    /// The type in which operands meet.
    pub(super) fn meeting(&self, args: &[Arg]) -> Scalar {
        let types = args.iter().filter_map(|a| match a {
            Arg::Value(id) | Arg::Weak { like: id, .. } => match &self.r.graph.nodes[*id].ty {
                Ty::Tensor(_, d) => Some(Scalar::of(*d)),
                _ => None,
            },
            _ => None,
        });
        types.fold(Scalar::Bool, |a, b| if a == Scalar::Bool { b } else { a })
    }

    /// The type of the node's value.
    pub(super) fn result(&self) -> Scalar {
        match &self.r.graph.nodes[self.at].ty {
            Ty::Tensor(_, d) => Scalar::of(*d),
            Ty::Tuple(all) => match all.first() {
                Some(Ty::Tensor(_, d)) => Scalar::of(*d),
                _ => Scalar::F32,
            },
            _ => Scalar::F32,
        }
    }

    fn operation(&mut self, name: &'static str, args: &[Arg]) -> Result<Vec<V>, Failed> {
        let one = |v: V| vec![v];
        match ops::shape(name) {
            Some(Form::Elementwise) if matches!(name, "tril" | "triu") => {
                self.triangle(name, args).map(one)
            }
            Some(Form::Elementwise) => self.elementwise(name, args).map(one),
            Some(Form::View) => {
                let scalar = self.result();
                self.operand(&args[0], scalar).map(one)
            }
            Some(Form::Created) => self.created(name, args).map(one),
            Some(Form::Reduced | Form::Along(_) | Form::LastAxis) => {
                self.along_the_row(name, args).map(one)
            }
            Some(Form::Moved) => self.moved(name, args),
            Some(Form::Taken) => self.taken(name, args).map(one),
            None => Err(Failed),
        }
    }

    pub(super) fn operand_axes(&self, arg: &Arg) -> Vec<Axis> {
        match arg {
            Arg::Value(id) => self.r.of[*id].first().cloned().unwrap_or_default(),
            _ => vec![],
        }
    }

    fn own_axes(&self) -> Vec<Axis> {
        self.r.of[self.at].first().cloned().unwrap_or_default()
    }

    /// The columns that an operation along these axes works on, all of the row's; `None` if their size is 1.
    pub(super) fn columns_of(&mut self, axes: &[&Axis]) -> Result<Option<Dim>, Failed> {
        let leaves: Vec<Atom> = axes.iter().flat_map(|a| self.r.axes.leaves(a)).collect();
        if leaves.is_empty() {
            return Ok(None);
        }
        let Some(columns) = self.space.columns(&leaves) else {
            return Err(Failed);
        };
        let mut sorted = leaves.clone();
        sorted.sort_unstable();
        let mut whole = columns.clone();
        whole.sort_unstable();
        if sorted != whole {
            let (a, b) = (self.r.axes.volume(&leaves), self.r.axes.volume(columns));
            let (a, b) = (self.r.names.dim(&a), self.r.names.dim(&b));
            let found = self.noun(self.at);
            let error = Diag::kernel_two_rows(self.span(), found, a, b);
            return self.fail(error);
        }
        Ok(Some(self.r.axes.volume(columns)))
    }

    /// A value that has these columns, also if it is the same in all of them.
    pub(super) fn spread(&mut self, v: V, width: &Dim) -> V {
        match &self.program.values[v].width {
            Some(_) => v,
            None => {
                let scalar = self.scalar(v);
                self.push(
                    Op::Join(vec![(v, width.clone())]),
                    scalar,
                    Some(width.clone()),
                )
            }
        }
    }

    /// The place along an axis, as int32.
    fn index(&mut self, name: &str, axis: &Axis) -> Emitted {
        let leaves = self.r.axes.leaves(axis);
        let mut sum = self.whole(0, Scalar::I32);
        for leaf in leaves {
            let size = self.r.axes.size(leaf).clone();
            let own = match self.space.rows.iter().position(|r| *r == leaf) {
                Some(i) => self.push(Op::Coordinate(i), Scalar::I32, None),
                None => match self.space.columns.iter().find(|c| c.contains(&leaf)) {
                    Some(c) if c.len() == 1 => {
                        self.push(Op::Column, Scalar::I32, Some(size.clone()))
                    }
                    _ => return self.fail(Diag::kernel_index(self.span(), name)),
                },
            };
            let by = self.size(&size, Scalar::I32);
            sum = self.binary(Binary::Multiply, sum, by)?;
            sum = self.binary(Binary::Add, sum, own)?;
        }
        Ok(sum)
    }

    fn triangle(&mut self, name: &str, args: &[Arg]) -> Emitted {
        let axes = self.own_axes();
        let n = axes.len();
        let (i, j) = (
            self.index(name, &axes[n - 2])?,
            self.index(name, &axes[n - 1])?,
        );
        let scalar = self.result();
        let x = self.operand(&args[0], scalar)?;
        let k = self.operand(&args[1], Scalar::I32)?;
        let i = self.binary(Binary::Add, i, k)?;
        let kept = match name {
            "tril" => self.binary(Binary::LessEqual, j, i)?,
            _ => self.binary(Binary::GreaterEqual, j, i)?,
        };
        let zero = self.whole(0, scalar);
        self.select(kept, x, zero)
    }

    fn created(&mut self, name: &str, args: &[Arg]) -> Emitted {
        let scalar = self.result();
        let axes = self.own_axes();
        Ok(match name {
            "zeros" => self.whole(0, scalar),
            "ones" => self.whole(1, scalar),
            "full" => self.operand(&args[1], scalar)?,
            "arange" => {
                let dim = |a: &Arg| match a {
                    Arg::Dims(d) => d.first().cloned(),
                    _ => None,
                };
                let start = match &args[1] {
                    Arg::Absent => Dim::constant(0),
                    _ => dim(&args[0]).ok_or(Failed)?,
                };
                let step = dim(&args[2]).ok_or(Failed)?;
                let index = self.index(name, &axes[0])?;
                let (start, step) = (
                    self.size(&start, Scalar::I32),
                    self.size(&step, Scalar::I32),
                );
                let at = self.binary(Binary::Multiply, index, step)?;
                let at = self.binary(Binary::Add, at, start)?;
                self.to(at, scalar)
            }
            _ => {
                let (i, j) = (self.index(name, &axes[0])?, self.index(name, &axes[1])?);
                let k = self.operand(&args[2], Scalar::I32)?;
                let i = self.binary(Binary::Add, i, k)?;
                let op = if name == "eye" {
                    Binary::Equal
                } else {
                    Binary::LessEqual
                };
                let set = self.binary(op, j, i)?;
                self.to(set, scalar)
            }
        })
    }

    /// Parts, joints and borders of the row.
    fn moved(&mut self, name: &str, args: &[Arg]) -> Result<Vec<V>, Failed> {
        let scalar = self.result();
        let out = self.own_axes();
        let rank = out.len();
        if name == "concatenate" {
            let Arg::Values(ids) = &args[0] else {
                return Err(Failed);
            };
            let at = ops::axes(args.get(1), rank)[0];
            let (mut parts, ids) = (Vec::new(), ids.clone());
            for id in ids {
                let v = self.value(id, 0)?;
                let axes = self.r.of[id][0].clone();
                let size = self.r.axes.volume(&self.r.axes.leaves(&axes[at]));
                parts.push((v, size));
            }
            let width = self.columns_of(&[&out[at]])?.ok_or(Failed)?;
            return Ok(vec![self.push(Op::Join(parts), scalar, Some(width))]);
        }
        let x = self.operand(&args[0], scalar)?;
        let axes = self.operand_axes(&args[0]);
        let shape: Vec<Dim> = axes
            .iter()
            .map(|a| self.r.axes.volume(&self.r.axes.leaves(a)))
            .collect();
        let cut = |e: &mut Self, x: V, at: usize, start: Dim, step: Dim, part: &Axis| -> Emitted {
            let Some(from) = e.columns_of(&[&axes[at]])? else {
                return Ok(x);
            };
            let x = e.spread(x, &from);
            let width = e.columns_of(&[part])?;
            Ok(e.push(Op::Cut { of: x, start, step }, scalar, width))
        };
        match name {
            "split" => {
                let at = ops::axes(args.get(2), rank)[0];
                let (mut start, mut parts) = (Dim::constant(0), Vec::new());
                for part in self.r.of[self.at].clone() {
                    let size = self.r.axes.volume(&self.r.axes.leaves(&part[at]));
                    parts.push(cut(
                        self,
                        x,
                        at,
                        start.clone(),
                        Dim::constant(1),
                        &part[at],
                    )?);
                    start = start.plus(&size);
                }
                Ok(parts)
            }
            "glu" => {
                let at = ops::axes(args.get(1), rank)[0];
                let half = self.r.axes.volume(&self.r.axes.leaves(&out[at]));
                let one = Dim::constant(1);
                let a = cut(self, x, at, Dim::constant(0), one.clone(), &out[at])?;
                let b = cut(self, x, at, half, one, &out[at])?;
                let s = self.unary(Unary::Sigmoid, b);
                Ok(vec![self.binary(Binary::Multiply, a, s)?])
            }
            "roll" => {
                let at = ops::axes(args.get(2), rank)[0];
                let Some(width) = self.columns_of(&[&axes[at]])? else {
                    return Ok(vec![x]);
                };
                let x = self.spread(x, &width);
                let column = self.push(Op::Column, Scalar::I32, Some(width.clone()));
                let (shift, n) = (
                    self.operand(&args[1], Scalar::I32)?,
                    self.size(&width, Scalar::I32),
                );
                let from = self.binary(Binary::Subtract, column, shift)?;
                let index = self.binary(Binary::Remainder, from, n)?;
                Ok(vec![self.push(
                    Op::Take { of: x, index },
                    scalar,
                    Some(width),
                )])
            }
            "slice" => {
                let chosen = ops::axes(args.get(4), rank);
                let list = |i: usize| match &args[i] {
                    Arg::Dims(d) => d.clone(),
                    _ => vec![],
                };
                let (starts, steps) = (list(1), list(3));
                let own: Vec<Dim> = out
                    .iter()
                    .map(|a| self.r.axes.volume(&self.r.axes.leaves(a)))
                    .collect();
                let Some(at) = (0..rank).find(|i| own[*i] != shape[*i]) else {
                    return Ok(vec![x]);
                };
                let i = chosen.iter().position(|a| *a == at).ok_or(Failed)?;
                let start = match starts[i].as_constant() {
                    Some(n) if n < 0 => shape[at].plus(&starts[i]),
                    _ => starts[i].clone(),
                };
                let step = if steps.len() == 1 {
                    steps[0].clone()
                } else {
                    steps[i].clone()
                };
                Ok(vec![cut(self, x, at, start, step, &out[at])?])
            }
            // `pad`
            _ => {
                let Arg::Dims(widths) = &args[1] else {
                    return Err(Failed);
                };
                let zero = Dim::constant(0);
                let Some(at) =
                    (0..rank).find(|i| widths[2 * i] != zero || widths[2 * i + 1] != zero)
                else {
                    return Ok(vec![x]);
                };
                let fill = self.operand(&args[2], scalar)?;
                let (before, after) = (widths[2 * at].clone(), widths[2 * at + 1].clone());
                let parts = vec![(fill, before), (x, shape[at].clone()), (fill, after)];
                let parts = parts.into_iter().filter(|p| p.1 != zero).collect();
                let width = self.columns_of(&[&out[at]])?.ok_or(Failed)?;
                Ok(vec![self.push(Op::Join(parts), scalar, Some(width))])
            }
        }
    }

    /// Elements chosen by an index.
    fn taken(&mut self, name: &str, args: &[Arg]) -> Emitted {
        let scalar = self.result();
        let Arg::Value(indices) = args[1] else {
            return Err(Failed);
        };
        let index = self.value(indices, 0)?;
        if let Some((_, kept)) = self.r.taken.iter().find(|t| t.0 == self.at) {
            let Arg::Value(x) = args[0] else {
                return Err(Failed);
            };
            let Kind::Input(argument) = &self.r.graph.nodes[x].kind else {
                return Err(Failed);
            };
            let argument = argument.to_string();
            let input = self
                .program
                .inputs
                .iter()
                .position(|i| i.name == argument)
                .ok_or(Failed)?;
            let shape = self.program.inputs[input].shape.clone();
            let at = ops::axes(args.get(2), shape.len())[0];
            if self.program.values[index].width.is_some() {
                return self.fail(Diag::kernel_index_per_column(
                    self.span(),
                    self.noun(indices),
                ));
            }
            let mut axes = kept.clone();
            axes.insert(at, vec![]);
            let Some(mut place) = self.r.at(self.space, &axes, &shape) else {
                return self.fail(Diag::kernel_strided(self.span(), self.noun(x)));
            };
            let stride = super::strides(&shape)[at].clone();
            if !shape[at].is_one() {
                place.computed.push(Computed {
                    value: index,
                    size: shape[at].clone(),
                    stride,
                });
            }
            let width = self.width(&axes);
            return Ok(self.push(Op::Load { input, at: place }, scalar, width));
        }
        let x = self.operand(&args[0], scalar)?;
        let axes = self.operand_axes(&args[0]);
        let at = ops::axes(args.get(2), axes.len())[0];
        let Some(from) = self.columns_of(&[&axes[at]])? else {
            return Ok(x);
        };
        let x = self.spread(x, &from);
        let width = self.program.values[index].width.clone();
        let _ = name;
        Ok(self.push(Op::Take { of: x, index }, scalar, width))
    }
}
