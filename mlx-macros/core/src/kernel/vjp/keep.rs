//! Numbers per row that a kernel keeps for its gradient, and results that the gradient reads.
//!
//! A value is computed again where that takes nothing but the row; one behind a reduction (1/rms, the logarithm of a sum)
//! would take a pass over the row, and is as small as a number.
//! A number that others are compared with is computed again all the same.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test kernels`.

use super::Back;
use crate::kernel::ir::{At, Input, Op, Output, Place, Program, Scalar, V};
use crate::syntax::dims::Dim;
use crate::syntax::signature::Dt;

impl Back {
    /// The kernel's numbers per row behind a reduction that the gradient reads, other than for one another.
    pub(super) fn numbers(&self) -> Vec<V> {
        let p = &self.program;
        let (live, varies) = (p.live(), p.varies());
        let mut reduced: Vec<bool> = Vec::with_capacity(p.values.len());
        for value in &p.values {
            let own = match &value.op {
                Op::Reduce(_, of) => p.values[*of].width.is_some(),
                _ => false,
            };
            reduced.push(own || value.op.operands().iter().any(|o| reduced[*o]));
        }
        let compared = self.compared(&live);
        let number = |v: V| {
            let value = &p.values[v];
            let float = value.width.is_none() && value.scalar == Scalar::F32;
            v < self.forward && float && varies[v] && reduced[v] && !compared[v]
        };
        let mut read = vec![false; self.forward];
        for (u, value) in p.values.iter().enumerate().filter(|u| live[u.0]) {
            for o in value.op.operands().into_iter().filter(|_| !number(u)) {
                if o < self.forward {
                    read[o] = true;
                }
            }
        }
        for o in p.outputs.iter().filter(|o| o.value < self.forward) {
            read[o.value] = true;
        }
        (0..self.forward)
            .filter(|v| read[*v] && number(*v))
            .collect()
    }

    /// True for each value that a comparison with another one depends on: an element is the largest where both are equal bit by
    /// bit, which only holds if one kernel computes both.
    fn compared(&self, live: &[bool]) -> Vec<bool> {
        let p = &self.program;
        let fixed = |v: &V| {
            let op = &p.values[*v].op;
            matches!(op, Op::Constant(_) | Op::Number(_) | Op::Size(_))
        };
        let mut compared = vec![false; p.values.len()];
        for (u, value) in p.values.iter().enumerate().rev().filter(|u| live[u.0]) {
            let own = match &value.op {
                Op::Binary(op, a, b) => op.compares() && !fixed(a) && !fixed(b),
                _ => false,
            };
            for o in value.op.operands() {
                compared[o] |= own || compared[u];
            }
        }
        compared
    }

    /// Reads an output of the kernel in place of computing it again.
    pub(super) fn read(&mut self, kernel: &Program, i: usize) {
        let o = &kernel.outputs[i];
        let Place::At(at) = &o.place else { return };
        let mut name = o.name.clone();
        while self.program.is_named(&name) {
            name.push('_');
        }
        self.program.inputs.push(Input {
            name,
            shape: o.shape.clone(),
            dtype: o.dtype,
        });
        let input = self.program.inputs.len() - 1;
        self.program.values[o.value].op = Op::Load {
            input,
            at: at.clone(),
        };
    }
}

impl Program {
    /// The place of an output that is this number of each row, in float32.
    pub(super) fn keep(&mut self, v: V) -> usize {
        let own = self.values[v].name.as_ref();
        let mut name = own.map_or_else(|| "kept".to_owned(), |name| format!("{name}_kept"));
        while self.is_named(&name) {
            name.push('_');
        }
        self.outputs.push(Output {
            name,
            shape: self.rows.clone(),
            dtype: Dt::F32,
            value: v,
            place: Place::At(each_row(&self.rows, Dim::constant(1))),
        });
        self.outputs.len() - 1
    }
}

/// The place of so many columns for each row, one row after the other.
pub(super) fn each_row(rows: &[Dim], columns: Dim) -> At {
    let mut stride = columns;
    let mut each = Vec::new();
    for (i, size) in rows.iter().enumerate().rev() {
        each.push((i, stride.clone()));
        stride = stride.times(size);
    }
    each.reverse();
    At {
        rows: each,
        computed: vec![],
        column: Dim::constant(1),
        offset: Dim::constant(0),
    }
}
