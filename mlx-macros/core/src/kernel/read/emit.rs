//! Writes the instructions of each node, once rows and columns are known.
//!
//! Tests: `tests/kernels.rs`.

use proc_macro2::Span;
use syn::Expr;

use super::axes::{Atom, Axis};
use super::{stored, Reader, Space};
use crate::diag::Diag;
use crate::ir::{self, noun, Arg, Id, Kind, Tier};
use crate::kernel::ir::{Binary, Constant, Given, Op, Program, Reduce, Scalar, Unary, V};
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::literals::{integer, literal};
use crate::syntax::signature::{Dt, Ty};

/// The program so far.
pub(super) struct Emit<'r, 'a> {
    pub(super) r: &'r Reader<'a>,
    pub(super) space: &'r Space,
    pub(super) program: Program,
    /// For each node, its values; those of arguments are loaded when they are read.
    values: Vec<Vec<V>>,
    errors: Vec<Diag>,
    /// The node whose instructions are written.
    pub(super) at: Id,
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
                    let made = self.operation(op, args).unwrap_or_default();
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
    pub(super) fn value(&mut self, id: Id, part: usize) -> Emitted {
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

    pub(super) fn noun(&self, id: Id) -> String {
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
    pub(super) fn width(&self, axes: &[Axis]) -> Option<Dim> {
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
                let v = self.program.number(Given::Float(e.clone()));
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

    fn operation(&mut self, op: &ir::Op, args: &[Arg]) -> Result<Vec<V>, Failed> {
        let one = |v: V| vec![v];
        let name = op.name;
        match op.tier {
            Tier::Each if matches!(name, "tril" | "triu") => self.triangle(name, args).map(one),
            Tier::Each if name == "causal_mask" => self.causal(args).map(one),
            Tier::Each => self.elementwise(name, args).map(one),
            Tier::View => {
                let scalar = self.result();
                self.operand(&args[0], scalar).map(one)
            }
            Tier::Created if super::random::key(op).is_some() => self.random(op, args).map(one),
            Tier::Created => self.created(name, args).map(one),
            Tier::Reduced | Tier::Along | Tier::LastAxis => self.along_the_row(name, args).map(one),
            Tier::Folded => self.folded(op, args).map(one),
            Tier::Moved => self.moved(name, args),
            Tier::Taken => self.taken(name, args).map(one),
            Tier::Launch => Err(Failed),
        }
    }

    pub(super) fn operand_axes(&self, arg: &Arg) -> Vec<Axis> {
        match arg {
            Arg::Value(id) => self.r.of[*id].first().cloned().unwrap_or_default(),
            _ => vec![],
        }
    }

    pub(super) fn own_axes(&self) -> Vec<Axis> {
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
}
