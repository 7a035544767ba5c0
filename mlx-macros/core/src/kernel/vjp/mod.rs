//! The gradient of a row program, as another row program.
//!
//! The new program computes the kernel's values again, loads the cotangents of its results where the kernel stored them,
//! and goes back through the instructions. An input that all rows share has a gradient that sums over rows; one that some
//! rows share is stored for each row, and the host adds up.
//!
//! Where a value takes a reduction to compute again, the kernel keeps a number per row for the gradient ([`keeping`]).
//!
//! Tests: `tests/kernels.rs`.

mod keep;
mod rules;

use crate::kernel::ir::{
    At, Binary, Constant, Derived, Gradient, Input, Op, Output, Place, Program, Reduce, Scalar,
    Source, Unary, V,
};
use crate::syntax::dims::{volume, Dim};
use crate::syntax::signature::Dt;

/// The most parts of an array that one row reads.
const MOST_PARTS: i64 = 16;

/// A value whose gradient one launch cannot give, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoGradient {
    /// The value of the kernel.
    pub value: V,
    /// The reason.
    pub why: Why,
}

/// Why one launch cannot give a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Many columns are added to places that an index chooses.
    Scattered,
    /// Rows are added to places that an index chooses.
    ScatteredRows,
    /// Rows read an input in several orders.
    Orders,
}

/// The gradient of a program with respect to every float input that is not frozen; `None` if there is none.
pub fn gradient(p: &Program, frozen: &[bool]) -> Result<Option<Gradient>, NoGradient> {
    Ok(derived(p, frozen, Reads::Inputs)?.map(|found| found.1))
}

/// [`gradient`], which reads outputs of the kernel where that spares it inputs: the sum of two arrays in place of both.
pub fn gradient_from_outputs(p: &Program, frozen: &[bool]) -> Result<Option<Gradient>, NoGradient> {
    Ok(derived(p, frozen, Reads::Results)?.map(|found| found.1))
}

/// A kernel as it runs, and [`gradient_from_outputs`] that also reads numbers per row where they are behind reductions: the
/// kernel writes them behind its results.
pub fn keeping(p: &Program, frozen: &[bool]) -> Result<(Program, Option<Gradient>), NoGradient> {
    let found = derived(p, frozen, Reads::Numbers)?;
    Ok(found.map_or_else(|| (p.clone(), None), |(kernel, g)| (kernel, Some(g))))
}

/// The arrays that a gradient reads beside the cotangents; each one includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reads {
    Inputs,
    Results,
    Numbers,
}

fn derived(
    p: &Program,
    frozen: &[bool],
    reads: Reads,
) -> Result<Option<(Program, Gradient)>, NoGradient> {
    let mut back = Back {
        forward: p.values.len(),
        program: p.clone(),
        adjoints: vec![None; p.values.len()],
        line: 0,
    };
    let (mut inputs, mut sources) = (p.inputs.clone(), Vec::new());
    sources.extend((0..p.inputs.len()).map(Source::Input));
    back.program.outputs.clear();
    for (i, o) in p.outputs.iter().enumerate() {
        let Place::At(at) = &o.place else { continue };
        if p.values[o.value].scalar != Scalar::F32 {
            continue;
        }
        let mut name = format!("d{}", o.name);
        while p.is_named(&name) {
            name.push('_');
        }
        let (at, width) = (at.clone(), p.values[o.value].width.clone());
        inputs.push(Input {
            name: name.clone(),
            shape: o.shape.clone(),
            dtype: o.dtype,
        });
        sources.push(Source::Cotangent(i));
        let input = inputs.len() - 1;
        let v = back
            .program
            .push(Op::Load { input, at }, Scalar::F32, width, 0);
        back.program.values[v].name.get_or_insert(name);
        back.contribute(o.value, o.value, v);
    }
    back.program.inputs = inputs;
    for v in (0..p.values.len()).rev() {
        if p.values[v].scalar == Scalar::F32 {
            back.line = p.values[v].line;
            back.through(v)
                .map_err(|why| NoGradient { value: v, why })?;
        }
    }
    let mut outputs: Vec<Derived> = Vec::new();
    for (i, input) in p.inputs.iter().enumerate() {
        let wanted =
            matches!(input.dtype, Dt::Float | Dt::F32) && !frozen.get(i).copied().unwrap_or(false);
        if wanted {
            if let Some(found) = back.output(i, input)? {
                back.share_last(&mut outputs, found);
            }
        }
    }
    if outputs.is_empty() {
        return Ok(None);
    }
    let mut kernel = p.clone();
    if reads >= Reads::Numbers {
        for v in back.numbers() {
            let i = kernel.keep(v);
            back.read(&kernel, i);
            sources.push(Source::Output(i));
        }
    }
    let mut program = back.program.clone().pruned();
    let mut inputs = program.drop_unread_inputs();
    for i in (0..p.outputs.len()).filter(|_| reads >= Reads::Results) {
        let before = back.program.clone();
        if !back.read_output(p, i) {
            continue;
        }
        sources.push(Source::Output(i));
        let mut other = back.program.clone().pruned();
        let read = other.drop_unread_inputs();
        // Numbers per row are small.
        let arrays = |read: &[usize]| {
            let kept = |s: Source| matches!(s, Source::Output(i) if i >= p.outputs.len());
            read.iter().filter(|i| !kept(sources[**i])).count()
        };
        if arrays(&read) < arrays(&inputs) {
            (program, inputs) = (other, read);
        } else {
            sources.pop();
            back.program = before;
        }
    }
    program.name.push_str("_vjp");
    let gradient = Gradient {
        inputs: inputs.into_iter().map(|i| sources[i]).collect(),
        program,
        outputs,
    };
    Ok(Some((kernel, gradient)))
}

/// The walk back.
struct Back {
    /// The number of the kernel's own values.
    forward: usize,
    program: Program,
    /// The cotangents of the kernel's values so far.
    adjoints: Vec<Option<V>>,
    line: usize,
}

impl Back {
    fn width(&self, v: V) -> Option<Dim> {
        self.program.values[v].width.clone()
    }

    fn push(&mut self, op: Op, scalar: Scalar, width: Option<Dim>) -> V {
        self.program.push(op, scalar, width, self.line)
    }

    fn float(&mut self, x: f32) -> V {
        self.push(Op::Constant(Constant::Float(x)), Scalar::F32, None)
    }

    fn whole(&mut self, x: i64) -> V {
        self.push(Op::Constant(Constant::Whole(x)), Scalar::I32, None)
    }

    fn size(&mut self, d: &Dim, scalar: Scalar) -> V {
        match (d.as_constant(), scalar) {
            (Some(n), Scalar::F32) => self.float(n as f32),
            (Some(n), _) => self.whole(n),
            (None, _) => self.push(Op::Size(d.clone()), scalar, None),
        }
    }

    fn unary(&mut self, op: Unary, a: V) -> V {
        let (scalar, width) = (self.program.values[a].scalar, self.width(a));
        self.push(Op::Unary(op, a), scalar, width)
    }

    fn binary(&mut self, op: Binary, a: V, b: V) -> V {
        let scalar = match op.compares() {
            true => Scalar::Bool,
            false => self.program.values[a].scalar,
        };
        let width = self.width(a).or_else(|| self.width(b));
        self.push(Op::Binary(op, a, b), scalar, width)
    }

    fn multiply(&mut self, a: V, b: V) -> V {
        self.binary(Binary::Multiply, a, b)
    }

    fn select(&mut self, c: V, a: V, b: V) -> V {
        let width = self
            .width(c)
            .or_else(|| self.width(a))
            .or_else(|| self.width(b));
        let scalar = self.program.values[a].scalar;
        self.push(Op::Select(c, a, b), scalar, width)
    }

    fn cast(&mut self, v: V, scalar: Scalar) -> V {
        let width = self.width(v);
        self.push(Op::Cast(v), scalar, width)
    }

    fn sum(&mut self, v: V) -> V {
        self.push(Op::Reduce(Reduce::Sum, v), Scalar::F32, None)
    }

    /// A value that has these columns, also if it is the same in all of them.
    fn spread(&mut self, v: V, width: &Dim) -> V {
        match self.width(v) {
            Some(_) => v,
            None => self.push(
                Op::Join(vec![(v, width.clone())]),
                self.program.values[v].scalar,
                Some(width.clone()),
            ),
        }
    }

    fn is_zero(&self, v: V) -> bool {
        self.program.values[v].op == Op::Constant(Constant::Float(0.0))
    }

    /// The sum of two cotangents. Of rows cut at the same places, part by part.
    fn add(&mut self, a: V, b: V) -> V {
        if self.is_zero(a) {
            return b;
        }
        if self.is_zero(b) {
            return a;
        }
        if let (Op::Join(x), Op::Join(y)) = (&self.program.values[a].op, &self.program.values[b].op)
        {
            let alike = x.len() == y.len() && x.iter().zip(y).all(|(p, q)| p.1 == q.1);
            if alike {
                let pairs: Vec<_> = x.iter().cloned().zip(y.iter().map(|q| q.0)).collect();
                let parts = pairs
                    .into_iter()
                    .map(|((p, w), q)| (self.add(p, q), w))
                    .collect();
                let width = self.width(a);
                return self.push(Op::Join(parts), Scalar::F32, width);
            }
        }
        self.binary(Binary::Add, a, b)
    }

    /// Adds `g`, which is a cotangent in the columns of `of`, to the cotangent of `operand`, which is read there.
    fn contribute(&mut self, of: V, operand: V, g: V) {
        let columns = self.width(of);
        self.contribute_columns(columns, operand, g);
    }

    fn contribute_columns(&mut self, columns: Option<Dim>, operand: V, g: V) {
        if operand >= self.forward || self.program.values[operand].scalar != Scalar::F32 {
            return;
        }
        // A number per row is read in every column.
        let g = match (&columns, self.width(operand), self.width(g)) {
            (Some(_), None, Some(_)) => self.sum(g),
            (Some(columns), None, None) => {
                let n = self.size(&columns.clone(), Scalar::F32);
                self.multiply(g, n)
            }
            _ => g,
        };
        self.adjoints[operand] = Some(match self.adjoints[operand] {
            Some(before) => self.add(before, g),
            None => g,
        });
    }

    /// The output that is the gradient of an input; none if nothing depends on the input.
    fn output(&mut self, input: usize, array: &Input) -> Result<Option<Derived>, NoGradient> {
        let mut found: Vec<(V, At)> = Vec::new();
        for v in 0..self.forward {
            let Op::Load { input: i, at } = &self.program.values[v].op else {
                continue;
            };
            if *i != input || self.adjoints[v].is_none() {
                continue;
            }
            if !at.computed.is_empty() {
                let why = Why::ScatteredRows;
                return Err(NoGradient { value: v, why });
            }
            found.push((v, at.clone()));
        }
        let (load, at, width, g) = match &found[..] {
            [] => return Ok(None),
            [(load, at)] => {
                let (width, mut g) = (self.width(*load), self.adjoints[*load].unwrap_or(*load));
                if let Some(w) = &width {
                    g = self.spread(g, w);
                }
                (*load, at.clone(), width, g)
            }
            [.., (load, _)] => match self.side_by_side(&found, array) {
                Some((at, whole, g)) => (*load, at, Some(whole), g),
                None => {
                    let (value, why) = (*load, Why::Orders);
                    return Err(NoGradient { value, why });
                }
            },
        };
        let mut name = format!("d{}", array.name);
        while self.program.is_named(&name) {
            name.push('_');
        }
        let rows = self.program.rows.clone();
        let named = |i: &usize| at.rows.iter().any(|r| r.0 == *i);
        let missing: Vec<usize> = (0..rows.len())
            .filter(|i| !rows[*i].is_one() && !named(i))
            .collect();
        let kept: Vec<usize> = (0..rows.len()).filter(named).collect();
        let (shape, dtype, place, sum) = match (missing.is_empty(), kept.is_empty()) {
            (true, _) => (array.shape.clone(), array.dtype, Place::At(at), vec![]),
            (false, true) => (array.shape.clone(), array.dtype, Place::Sum, vec![]),
            // One row each; the host adds up those that share an element.
            (false, false) => {
                let one = Dim::constant(1);
                let columns = width.clone().unwrap_or(one);
                let inner: Vec<Dim> = kept.iter().map(|i| rows[*i].clone()).collect();
                let own = At {
                    rows: at
                        .rows
                        .iter()
                        .map(|(i, s)| (kept.iter().position(|k| k == i).unwrap_or(0), s.clone()))
                        .collect(),
                    ..at
                };
                if !own.is_row(&inner, &columns) {
                    let why = Why::Orders;
                    return Err(NoGradient { value: load, why });
                }
                let mut shape = rows.clone();
                shape.push(columns.clone());
                let at = keep::each_row(&rows, columns);
                (shape, Dt::F32, Place::At(at), missing)
            }
        };
        self.program.outputs.push(Output {
            name,
            shape,
            dtype,
            value: g,
            place,
        });
        let inputs = vec![input];
        Ok(Some(Derived { inputs, sum }))
    }

    /// The gradient of an array that each row reads in several parts of one length, as one row of them all.
    fn side_by_side(&mut self, loads: &[(V, At)], array: &Input) -> Option<(At, Dim, V)> {
        let (load, first) = loads.first()?;
        let width = self.width(*load)?;
        let rows = self.program.rows.clone();
        let whole = volume(&array.shape).divided_by(&volume(&rows))?;
        let at = At {
            offset: Dim::constant(0),
            ..first.clone()
        };
        let alike = |(load, at): &(V, At)| {
            let columns = self.width(*load).as_ref() == Some(&width) && at.column.is_one();
            columns && at.rows == first.rows && at.computed.is_empty()
        };
        if !loads.iter().all(alike) || !at.is_row(&rows, &whole) {
            return None;
        }
        let count = whole.divided_by(&width)?.as_constant()?;
        let (mut parts, mut start, mut used) = (Vec::new(), Dim::constant(0), 0);
        for _ in 0..count.min(MOST_PARTS) {
            let here = loads.iter().find(|(_, at)| at.offset == start);
            used += usize::from(here.is_some());
            let g = here.and_then(|(load, _)| self.adjoints[*load]);
            parts.push((g.unwrap_or_else(|| self.float(0.0)), width.clone()));
            start = start.plus(&width);
        }
        if used != loads.len() || count > MOST_PARTS {
            return None;
        }
        let g = self.push(Op::Join(parts), Scalar::F32, Some(whole.clone()));
        Some((at, whole, g))
    }

    /// Reads an output of the kernel in place of computing it again. False if it is an input, or an element for many rows.
    fn read_output(&mut self, p: &Program, i: usize) -> bool {
        let o = &p.outputs[i];
        if o.place == Place::Sum {
            return false;
        }
        let loaded = matches!(p.values[o.value].op, Op::Load { .. });
        if loaded || p.values[o.value].scalar != Scalar::F32 {
            return false;
        }
        self.read(p, i);
        true
    }

    /// Adds the meaning of the last output, or takes the output back if another one is the same array.
    fn share_last(&mut self, outputs: &mut Vec<Derived>, found: Derived) {
        let Some((last, before)) = self.program.outputs.split_last() else {
            return;
        };
        let same = before.iter().zip(&*outputs).position(|(o, d)| {
            let stored = |o: &Output| (o.shape.clone(), o.dtype, o.value);
            stored(o) == stored(last) && o.place == last.place && d.sum == found.sum
        });
        match same {
            Some(i) => {
                outputs[i].inputs.extend(found.inputs);
                self.program.outputs.pop();
            }
            None => outputs.push(found),
        }
    }
}

impl Gradient {
    /// The same without the gradients that sum over rows, of inputs that rows share; `None` if it has none of them, or no
    /// others.
    pub fn narrow(&self) -> Option<Gradient> {
        let own = |i: &usize| {
            let sums = matches!(self.program.outputs[*i].place, Place::Sum);
            !sums && self.outputs[*i].sum.is_empty()
        };
        let kept: Vec<usize> = (0..self.outputs.len()).filter(own).collect();
        if kept.is_empty() || kept.len() == self.outputs.len() {
            return None;
        }
        let mut program = self.program.clone();
        program.outputs = kept
            .iter()
            .map(|i| self.program.outputs[*i].clone())
            .collect();
        let mut program = program.pruned();
        program.name.push_str("_narrow");
        let inputs = program.drop_unread_inputs();
        Some(Gradient {
            inputs: inputs.into_iter().map(|i| self.inputs[i]).collect(),
            program,
            outputs: kept.iter().map(|i| self.outputs[*i].clone()).collect(),
        })
    }
}

impl Program {
    /// Takes out the inputs that nothing loads, and gives the places of those that stay.
    fn drop_unread_inputs(&mut self) -> Vec<usize> {
        let mut kept = Vec::new();
        for v in &mut self.values {
            if let Op::Load { input, .. } = &v.op {
                if !kept.contains(input) {
                    kept.push(*input);
                }
            }
        }
        kept.sort_unstable();
        for v in &mut self.values {
            if let Op::Load { input, .. } = &mut v.op {
                *input = kept.iter().position(|k| k == input).unwrap_or(0);
            }
        }
        self.inputs = kept.iter().map(|i| self.inputs[*i].clone()).collect();
        kept
    }
}
