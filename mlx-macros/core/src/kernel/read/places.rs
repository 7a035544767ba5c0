//! Writes operations on places: parts of a row, joints, indices, and values that hang on their place alone.
//!
//! Tests: `tests/kernels.rs`.

use super::axes::{Atom, Axis};
use super::emit::{Emit, Emitted, Failed};
use super::ops;
use crate::diag::Diag;
use crate::ir::{Arg, Kind};
use crate::kernel::ir::{Binary, Computed, Constant, Given, Op, Scalar, Unary, V};
use crate::syntax::dims::Dim;
use crate::syntax::literals::integer;
use crate::syntax::signature::{Dt, Ty};

impl Emit<'_, '_> {
    /// The place along an axis, as int32.
    pub(super) fn index(&mut self, axis: &Axis) -> Emitted {
        let leaves = self.r.axes.leaves(axis);
        let mut sum = self.whole(0, Scalar::I32);
        for leaf in leaves {
            let size = self.r.axes.size(leaf).clone();
            let own = match self.space.rows.iter().position(|r| *r == leaf) {
                Some(i) => self.push(Op::Coordinate(i), Scalar::I32, None),
                None => self.along_columns(leaf)?,
            };
            sum = match self.is_zero(sum) {
                true => own,
                false => {
                    let by = self.size(&size, Scalar::I32);
                    let outer = self.binary(Binary::Multiply, sum, by)?;
                    self.binary(Binary::Add, outer, own)?
                }
            };
        }
        Ok(sum)
    }

    /// The place along one of the axes that together are the row.
    fn along_columns(&mut self, leaf: Atom) -> Emitted {
        let columns = self.space.columns(&[leaf]).ok_or(Failed)?.clone();
        let at = columns.iter().position(|l| *l == leaf).ok_or(Failed)?;
        let width = self.r.axes.volume(&columns);
        let mut place = self.push(Op::Column, Scalar::I32, Some(width));
        if at + 1 < columns.len() {
            let inner = self.r.axes.volume(&columns[at + 1..]);
            let by = self.size(&inner, Scalar::I32);
            place = self.binary(Binary::FloorDivide, place, by)?;
        }
        if at > 0 {
            let by = self.size(&self.r.axes.size(leaf).clone(), Scalar::I32);
            place = self.binary(Binary::Remainder, place, by)?;
        }
        Ok(place)
    }

    /// True for the whole number 0.
    pub(super) fn is_zero(&self, v: V) -> bool {
        self.program.values[v].op == Op::Constant(Constant::Whole(0))
    }

    pub(super) fn triangle(&mut self, name: &str, args: &[Arg]) -> Emitted {
        let axes = self.own_axes();
        let n = axes.len();
        let (i, j) = (self.index(&axes[n - 2])?, self.index(&axes[n - 1])?);
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

    /// Scores, of which the lowest number stands for those of keys that a query does not see.
    pub(super) fn causal(&mut self, args: &[Arg]) -> Emitted {
        let axes = self.own_axes();
        let last = axes.len() - 2..axes.len();
        let (i, j) = (
            self.index(&axes[last.start])?,
            self.index(&axes[last.start + 1])?,
        );
        let sizes: Vec<Dim> = axes[last]
            .iter()
            .map(|a| self.r.axes.volume(&self.r.axes.leaves(a)))
            .collect();
        // The last query sits beside the last key.
        let before = self.size(&sizes[1].plus(&sizes[0].negated()), Scalar::I32);
        let place = self.binary(Binary::Add, i, before)?;
        let mut seen = self.binary(Binary::LessEqual, j, place)?;
        if let Some(Arg::Scalar(window)) = args.get(1) {
            let window = match integer(window) {
                Some(n) => self.whole(n, Scalar::I32),
                None => {
                    let number = self.program.number(Given::Count(window.clone()));
                    let number = self.push(Op::Number(number), Scalar::F32, None);
                    self.to(number, Scalar::I32)
                }
            };
            let distance = self.binary(Binary::Subtract, place, j)?;
            let near = self.binary(Binary::Less, distance, window)?;
            seen = self.binary(Binary::And, seen, near)?;
        }
        let x = self.operand(&args[0], Scalar::F32)?;
        let lowest = match &self.r.graph.nodes[self.at].ty {
            Ty::Tensor(_, Dt::F32) => self.float(f64::from(f32::MIN)),
            _ => {
                let number = self.program.number(Given::Lowest);
                self.push(Op::Number(number), Scalar::F32, None)
            }
        };
        self.select(seen, x, lowest)
    }

    pub(super) fn created(&mut self, name: &str, args: &[Arg]) -> Emitted {
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
                let index = self.index(&axes[0])?;
                let (start, step) = (
                    self.size(&start, Scalar::I32),
                    self.size(&step, Scalar::I32),
                );
                let at = self.binary(Binary::Multiply, index, step)?;
                let at = self.binary(Binary::Add, at, start)?;
                self.to(at, scalar)
            }
            _ => {
                let (i, j) = (self.index(&axes[0])?, self.index(&axes[1])?);
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
    pub(super) fn moved(&mut self, name: &str, args: &[Arg]) -> Result<Vec<V>, Failed> {
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
        if name == "stack" {
            return self.stacked(args).map(|v| vec![v]);
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

    /// The value whose place along the new axis it is.
    fn stacked(&mut self, args: &[Arg]) -> Emitted {
        let Arg::Values(ids) = &args[0] else {
            return Err(Failed);
        };
        let (scalar, axes) = (self.result(), self.own_axes());
        let at = ops::axes(args.get(1), axes.len())[0];
        let place = self.index(&axes[at])?;
        let mut parts = Vec::new();
        for id in ids {
            let v = self.value(*id, 0)?;
            parts.push(self.to(v, scalar));
        }
        let mut value = parts.pop().ok_or(Failed)?;
        while let Some(part) = parts.pop() {
            let own = self.whole(parts.len() as i64, Scalar::I32);
            let here = self.binary(Binary::Equal, place, own)?;
            value = self.select(here, part, value)?;
        }
        Ok(value)
    }

    /// Elements chosen by an index.
    pub(super) fn taken(&mut self, name: &str, args: &[Arg]) -> Emitted {
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
            let fixed = match self.program.values[index].op {
                // Indices outside are clamped, which needs a size that is known.
                Op::Constant(Constant::Whole(n)) => {
                    let last = shape[at].as_constant().map(|size| size - 1);
                    last.filter(|last| (0..=*last).contains(&n)).map(|_| n)
                }
                _ => None,
            };
            if let Some(n) = fixed {
                place.offset = place.offset.plus(&stride.times(&Dim::constant(n)));
            } else if !shape[at].is_one() {
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
