//! The sizes that the runtime computes for a call.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test kernels`.

use crate::kernel::ir::{At, Op, Place, Program};
use crate::syntax::dims::Dim;

/// The sizes that the runtime computes for a call.
#[derive(Default)]
pub(super) struct Sizes {
    pub(super) all: Vec<Dim>,
}

impl Sizes {
    fn place(&mut self, d: &Dim) -> usize {
        if let Some(i) = self.all.iter().position(|o| o == d) {
            return i;
        }
        self.all.push(d.clone());
        self.all.len() - 1
    }

    /// All sizes of a program.
    pub(super) fn of_program(&mut self, p: &Program) {
        p.rows.iter().for_each(|d| _ = self.place(d));
        for v in &p.values {
            v.width.iter().for_each(|d| _ = self.place(d));
            match &v.op {
                Op::Load { at, .. } => self.of_place(at),
                Op::Size(d) => _ = self.place(d),
                Op::Cut { start, step, .. } => {
                    self.place(start);
                    self.place(step);
                }
                Op::Join(parts) => parts.iter().for_each(|p| _ = self.place(&p.1)),
                _ => {}
            }
        }
        for o in &p.outputs {
            o.shape.iter().for_each(|d| _ = self.place(d));
            if let Place::At(at) = &o.place {
                self.of_place(at);
            }
        }
        self.place(&Dim::constant(1));
    }

    fn of_place(&mut self, at: &At) {
        at.rows.iter().for_each(|r| _ = self.place(&r.1));
        for c in &at.computed {
            self.place(&c.size);
            self.place(&c.stride);
        }
        self.place(&at.column);
        self.place(&at.offset);
    }
}
