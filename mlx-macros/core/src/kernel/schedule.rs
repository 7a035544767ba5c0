//! Loops over the columns of a row, in an order in which each reads what earlier ones wrote.
//!
//! A value lives in one of four places ([`Home`]). What a reduction, a cut or a choice of columns reads must be in
//! memory, and so must a joint; everything else is computed where it is read. Work is cut in levels: the numbers per row
//! of a level are computed first, from what the loops of the levels before it wrote, then its loops run.
//!
//! Tests: `tests/kernels.rs`.

use std::collections::BTreeSet;

use crate::kernel::ir::{Binary, Op, Place, Program, Reduce, Scalar, Unary, Value, V};
use crate::syntax::dims::Dim;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// A number per row, in a variable.
    Variable,
    /// A load with columns: the elements of a slice.
    Slice,
    /// Computed where it is read.
    Inline,
    /// The elements of a buffer.
    Buffer(usize),
}

/// A row of elements that loops write.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    /// The type of its elements.
    pub scalar: Scalar,
    /// Its length; 1 for a number per row.
    pub width: Dim,
    /// The output that it is, if it is one.
    pub output: Option<usize>,
    /// True if a loop writes it.
    pub written: bool,
}

/// A loop over columns.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    pub width: Dim,
    /// The value that it writes.
    pub targets: Vec<Target>,
}

/// A value that a loop writes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub value: V,
    pub buffer: usize,
    /// The part of the joint that the buffer holds, if it holds one.
    pub part: Option<(V, usize)>,
    /// True if the loop adds it up for a reduction.
    pub summed: bool,
    /// False if it is nothing but added up.
    pub stored: bool,
}

/// The work of one level.
#[derive(Clone, Debug, Default)]
pub(super) struct Level {
    /// Numbers per row, in order.
    pub variables: Vec<V>,
    pub loops: Vec<Loop>,
}

/// The order of the work.
pub(super) struct Schedule {
    pub home: Vec<Home>,
    pub buffers: Vec<Buffer>,
    pub levels: Vec<Level>,
    /// Outputs that are copies: of a load, of a number per row, or of another output.
    pub copies: Vec<usize>,
}

impl Schedule {
    pub(super) fn of(p: &Program) -> Schedule {
        let live = p.live();
        let mut s = Schedule {
            home: vec![Home::Inline; p.values.len()],
            buffers: vec![],
            levels: vec![],
            copies: vec![],
        };
        for (v, value) in p.values.iter().enumerate() {
            s.home[v] = match (&value.op, &value.width) {
                (_, None) => Home::Variable,
                (Op::Load { .. }, _) => Home::Slice,
                _ => Home::Inline,
            };
        }
        for (i, o) in p.outputs.iter().enumerate() {
            let value = &p.values[o.value];
            let own = s.home[o.value] == Home::Inline;
            let width = value.width.clone().unwrap_or_else(|| Dim::constant(1));
            s.buffers.push(Buffer {
                scalar: value.scalar,
                width,
                output: Some(i),
                written: true,
            });
            match own {
                true => s.home[o.value] = Home::Buffer(i),
                false => s.copies.push(i),
            }
        }
        for v in (0..p.values.len()).filter(|v| live[*v]) {
            match &p.values[v].op {
                Op::Reduce(_, of) | Op::Cut { of, .. } | Op::Take { of, .. } => s.keep(p, *of),
                Op::Join(_) => s.keep(p, v),
                _ => {}
            }
        }
        // Functions that cost much are computed once.
        for v in (0..p.values.len()).rev().filter(|v| live[*v]) {
            if s.home[v] == Home::Inline
                && is_costly(&p.values[v].op, p.values[v].scalar)
                && s.readers(p, &live, v) > 1
            {
                s.keep(p, v);
            }
        }
        s.arrange(p, &live);
        s
    }

    fn keep(&mut self, p: &Program, v: V) {
        if self.home[v] == Home::Inline {
            self.home[v] = Home::Buffer(self.buffers.len());
            self.buffers.push(Buffer {
                scalar: p.values[v].scalar,
                width: p.values[v]
                    .width
                    .clone()
                    .unwrap_or_else(|| Dim::constant(1)),
                output: None,
                written: true,
            });
        }
    }

    /// The level of each value: the level of its loop, or of its variable.
    fn levels(&self, p: &Program) -> Vec<usize> {
        let mut level: Vec<usize> = Vec::with_capacity(p.values.len());
        for value in &p.values {
            let stored = |o: V| match self.home[o] {
                Home::Slice => 0,
                _ => level[o] + 1,
            };
            let read = |o: V| match &p.values[o].op {
                Op::Join(_) if p.values[o].width.is_some() => level[o] + 1,
                _ => level[o],
            };
            let own = match &value.op {
                Op::Reduce(_, of) | Op::Cut { of, .. } => stored(*of),
                Op::Take { of, index } => stored(*of).max(read(*index)),
                op => op.operands().into_iter().map(read).max().unwrap_or(0),
            };
            level.push(own);
        }
        level
    }

    /// The values that the loops write, each with its level and width.
    fn targets(&self, p: &Program, live: &[bool]) -> Vec<(usize, Dim, Target)> {
        let level = self.levels(p);
        let mut out = Vec::new();
        for v in (0..p.values.len()).filter(|v| live[*v]) {
            let Home::Buffer(buffer) = self.home[v] else {
                continue;
            };
            match &p.values[v].op {
                Op::Join(parts) => {
                    for (i, (value, width)) in parts.iter().enumerate() {
                        let part = Some((v, i));
                        let target = Target {
                            value: *value,
                            buffer,
                            part,
                            summed: false,
                            stored: true,
                        };
                        out.push((level[v], width.clone(), target));
                    }
                }
                _ => {
                    let width = self.buffers[buffer].width.clone();
                    let target = Target {
                        value: v,
                        buffer,
                        part: None,
                        summed: false,
                        stored: true,
                    };
                    out.push((level[v], width, target));
                }
            }
        }
        out
    }

    /// The number of loops that compute a value.
    fn readers(&self, p: &Program, live: &[bool], v: V) -> usize {
        let mut loops: BTreeSet<(usize, String)> = BTreeSet::new();
        for (level, width, target) in self.targets(p, live) {
            if self.inside(p, target.value, true).contains(&v) {
                loops.insert((level, width.to_string()));
            }
        }
        loops.len()
    }

    /// The values that a loop computes for a value, without what it reads from memory or variables. `root`: the value is
    /// what the loop writes, so that it is computed wherever it lives.
    pub(super) fn inside(&self, p: &Program, v: V, root: bool) -> BTreeSet<V> {
        let mut found = BTreeSet::new();
        let mut todo = vec![(v, root)];
        while let Some((v, root)) = todo.pop() {
            let computed = match self.home[v] {
                Home::Inline => true,
                Home::Buffer(_) => root && !matches!(p.values[v].op, Op::Join(_)),
                _ => false,
            };
            if !computed || !found.insert(v) {
                continue;
            }
            let next: Vec<V> = match &p.values[v].op {
                Op::Cut { .. } => vec![],
                Op::Take { index, .. } => vec![*index],
                op => op.operands(),
            };
            todo.extend(next.into_iter().map(|v| (v, false)));
        }
        found
    }

    fn arrange(&mut self, p: &Program, live: &[bool]) {
        let level = self.levels(p);
        let mut levels: Vec<Level> = Vec::new();
        let mut at = |i: usize| -> usize {
            while levels.len() <= i {
                levels.push(Level::default());
            }
            i
        };
        let _ = at(0);
        for v in (0..p.values.len()).filter(|v| live[*v]) {
            at(level[v]);
        }
        for v in (0..p.values.len()).filter(|v| live[*v] && self.home[*v] == Home::Variable) {
            levels[level[v]].variables.push(v);
        }
        for (l, width, target) in self.targets(p, live) {
            let loops = &mut levels[l].loops;
            match loops.iter_mut().find(|l| l.width == width) {
                Some(found) => found.targets.push(target),
                None => loops.push(Loop {
                    width,
                    targets: vec![target],
                }),
            }
        }
        for found in levels.iter_mut().flat_map(|l| &mut l.loops) {
            self.sum(p, live, found);
        }
        self.levels = levels;
    }

    /// Adds values up in the loop that computes them, where a reduction needs that. A store costs more than what a loop of
    /// plain operations computes; functions that cost much are faster without sums between them.
    fn sum(&mut self, p: &Program, live: &[bool], found: &mut Loop) {
        let mut inside: BTreeSet<V> = BTreeSet::new();
        for t in &found.targets {
            inside.extend(self.inside(p, t.value, t.part.is_none()));
        }
        let plain = |v: &V| match &p.values[*v].op {
            Op::Cut { step, .. } => step.is_one(),
            Op::Take { .. } | Op::Column => false,
            op => !is_costly(op, p.values[*v].scalar),
        };
        if !inside.iter().all(plain) {
            return;
        }
        for t in &mut found.targets {
            let readers = || (0..p.values.len()).filter(|v| live[*v]);
            let is_sum = |v: usize| p.values[v].op == Op::Reduce(Reduce::Sum, t.value);
            let float = p.values[t.value].scalar == Scalar::F32;
            if t.part.is_some() || !float || !readers().any(is_sum) {
                continue;
            }
            let reads = |v: &usize| p.values[*v].op.operands().contains(&t.value);
            t.summed = true;
            t.stored = self.buffers[t.buffer].output.is_some()
                || !readers()
                    .filter(reads)
                    .all(|v| is_sum(v) || inside.contains(&v));
            self.buffers[t.buffer].written = t.stored;
        }
    }
}

/// True for functions that cost more than a store and a load.
fn is_costly(op: &Op, scalar: Scalar) -> bool {
    match op {
        Op::Unary(op, _) => {
            scalar == Scalar::F32
                && !matches!(
                    op,
                    Unary::Abs
                        | Unary::Negative
                        | Unary::Sign
                        | Unary::Floor
                        | Unary::Ceil
                        | Unary::Trunc
                        | Unary::Round
                        | Unary::Not
                        | Unary::IsNan
                        | Unary::IsInf
                )
        }
        Op::Binary(op, ..) => matches!(op, Binary::Power | Binary::Arctan2 | Binary::Logaddexp),
        Op::Bits { .. } => true,
        _ => false,
    }
}

/// True if the program is the same work for every element, so that rows may be cut anywhere: all arrays lie alike, and
/// no instruction knows its column.
pub fn is_flat(p: &Program) -> Option<Dim> {
    let alone = |v: &Value| {
        use Op::*;
        !matches!(
            v.op,
            Coordinate(_) | Column | Reduce(..) | Cut { .. } | Join(_) | Take { .. } | Bits { .. }
        )
    };
    if !p.values.iter().all(alone) {
        return None;
    }
    let width = p.values.iter().find_map(|v| v.width.clone())?;
    let plain = p.values.iter().all(|v| match &v.op {
        Op::Load { at, .. } => match &v.width {
            Some(w) => *w == width && at.is_row(&p.rows, w),
            None => at.rows.is_empty() && at.computed.is_empty(),
        },
        // Pieces have other sizes.
        Op::Size(d) => d.names().iter().all(|n| !width.names().contains(n)),
        _ => true,
    });
    let stored = p.outputs.iter().all(|o| match &o.place {
        Place::At(at) => p.values[o.value].width.is_some() && at.is_row(&p.rows, &width),
        Place::Sum => false,
    });
    (plain && stored).then_some(width)
}
