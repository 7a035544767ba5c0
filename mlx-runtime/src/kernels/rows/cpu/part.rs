//! The loop over the rows of a part.
//!
//! Tests: `mlx-tests --test kernels`.

use super::super::program::{dtype, scalar, At, Chosen, Scalar};
use super::elements::{add_floats, read_floats, read_truths, read_words, store, store_floats};
use super::walk::{place, Walk};
use super::{Job, Row, Rows, RowsMut};
use crate::model::bind::Class;
use crate::Dtype;

/// The elements of an array that are copied for the body at once.
const COPIED: usize = 2048;
/// The most elements of a row that cost less to copy than to compute the row alone.
const SHORT: usize = 512;

/// Some rows of a job.
pub(super) struct Part<'a> {
    pub job: &'a Job,
    pub inputs: &'a [*const u8],
    pub outputs: &'a [*mut u8],
    /// The number of this part.
    pub block: usize,
    pub first: usize,
    pub last: usize,
}

/// Elements of an array in each row. Its place is the one of the same number in the walk.
struct Elements {
    kind: Scalar,
    stored: Dtype,
    /// Their number.
    n: usize,
    /// True if they are a piece of a flat program: the last one is shorter.
    is_piece: bool,
    /// True if they are added to those of other rows.
    is_sum: bool,
    /// True if the body reads or writes a copy in memory of this part.
    is_copied: bool,
    /// The distance of two elements.
    step: usize,
    /// Memory of this part, where the row is not taken from the array itself.
    own: *mut u8,
    /// The place among the slices of its type.
    slot: usize,
}

impl Elements {
    /// False if the array's own elements can be what the body reads or writes. Truth values cannot, because a byte may hold
    /// another number.
    fn is_converted(&self) -> bool {
        let whole = self.step == 1 || self.n == 1;
        match self.kind {
            _ if self.is_sum => true,
            Scalar::F32 => !whole || self.stored != Dtype::Float32,
            Scalar::I32 | Scalar::U32 => !whole,
            Scalar::Bool => true,
        }
    }
}

struct Load {
    elements: Elements,
    base: *const u8,
    /// True if rows differ.
    varies: bool,
    chosen: &'static [Chosen],
}

struct Output {
    elements: Elements,
    base: *mut u8,
    /// True for a sum over rows.
    is_sum: bool,
}

/// Finds the elements of arrays.
struct Finder<'a> {
    job: &'a Job,
    walk: Walk,
    /// The slices of each type so far.
    slots: [usize; 4],
    /// The longest row that is copied.
    widest: usize,
    /// True if the body gets one row at a time.
    alone: bool,
}

impl Finder<'_> {
    fn find(&mut self, class: Class, width: usize, at: Option<&At>) -> Elements {
        let (kind, sizes) = (scalar(class), &self.job.sizes);
        let is_piece = self.job.program.flat == Some(width);
        match at {
            _ if is_piece => self.walk.add_pieces(self.job.piece),
            Some(at) => self.walk.add(at, sizes),
            None => self.walk.add_pieces(0),
        }
        let mut elements = Elements {
            kind,
            stored: match at {
                Some(_) => dtype(class, self.job.float),
                None => Dtype::Float32,
            },
            n: if is_piece {
                self.job.piece
            } else {
                sizes[width] as usize
            },
            is_piece,
            is_sum: at.is_none(),
            is_copied: false,
            step: at.map_or(1, |at| sizes[at.column] as usize),
            own: std::ptr::null_mut(),
            slot: self.slots[kind as usize],
        };
        self.slots[kind as usize] += 1;
        elements.is_copied = elements.is_converted();
        elements
    }

    /// Elements that the body reads.
    fn load(&mut self, class: Class, width: usize, at: &At) -> Elements {
        let elements = self.find(class, width, Some(at));
        self.count(&elements);
        elements
    }

    /// Elements that the body writes. Rows with those of other parts between them are no slice: short ones are copied.
    fn output(&mut self, class: Class, width: usize, at: Option<&At>) -> Elements {
        let mut elements = self.find(class, width, at);
        let away = self.walk.step(self.walk.places().len() - 1);
        let apart = !elements.is_piece && self.walk.has_neighbours() && away != elements.n;
        if apart && !elements.is_copied {
            elements.is_copied = elements.n <= SHORT;
            self.alone |= !elements.is_copied;
        }
        self.count(&elements);
        elements
    }

    fn count(&mut self, elements: &Elements) {
        if elements.is_copied {
            self.widest = self.widest.max(elements.n);
        }
    }
}

/// Memory for the rows of a part.
struct Memory<T> {
    all: Vec<T>,
    used: usize,
}

impl<T: Copy + Default> Memory<T> {
    fn of(size: usize) -> Self {
        Memory {
            all: vec![T::default(); size],
            used: 0,
        }
    }

    /// The next `n` elements.
    fn take(&mut self, n: usize) -> *mut T {
        let start = self.used;
        self.used += n;
        self.all[start..self.used].as_mut_ptr()
    }
}

/// Memory of all types.
struct Memories(Memory<f32>, Memory<i32>, Memory<u32>, Memory<bool>);

impl Memories {
    fn of([floats, ints, unsigned, truths]: [usize; 4]) -> Self {
        Memories(
            Memory::of(floats),
            Memory::of(ints),
            Memory::of(unsigned),
            Memory::of(truths),
        )
    }

    fn take(&mut self, kind: Scalar, n: usize) -> *mut u8 {
        match kind {
            Scalar::F32 => self.0.take(n).cast(),
            Scalar::I32 => self.1.take(n).cast(),
            Scalar::U32 => self.2.take(n).cast(),
            Scalar::Bool => self.3.take(n).cast(),
        }
    }
}

/// Computes the rows of a part.
///
/// # Safety
/// The processor runs the level of `body`, and the part's lists lead to as many arrays as its program has, row-contiguous
/// and of its sizes.
#[inline(always)]
pub(super) unsafe fn rows(part: &Part<'_>, body: unsafe fn(Row<'_, '_>)) {
    let job = part.job;
    let program = job.program;
    let mut sizes = job.sizes.clone();
    let row_sizes: Vec<usize> = program.rows.iter().map(|i| sizes[*i] as usize).collect();
    // A flat program has pieces of whole arrays as rows.
    let flat = program.flat.map(|i| {
        let all = row_sizes.iter().product::<usize>() * sizes[i] as usize;
        sizes[i] = job.piece as i64;
        (i, all)
    });
    let row_sizes = flat.map_or(row_sizes, |_| vec![job.rows]);
    let mut finder = Finder {
        job,
        walk: Walk::new(row_sizes, part.first),
        slots: [0; 4],
        widest: 0,
        alone: program.loads.iter().any(|l| !l.at.chosen.is_empty()) || flat.is_some(),
    };
    let mut loads: Vec<Load> = Vec::with_capacity(program.loads.len());
    for l in program.loads {
        let elements = finder.load(program.inputs[l.input], l.width, &l.at);
        loads.push(Load {
            base: part.inputs[l.input],
            varies: elements.is_piece || !l.at.rows.is_empty() || !l.at.chosen.is_empty(),
            chosen: l.at.chosen,
            elements,
        });
    }
    let read = std::mem::take(&mut finder.slots);
    let mut outputs: Vec<Output> = Vec::with_capacity(program.outputs.len());
    for (o, base) in program.outputs.iter().zip(part.outputs) {
        outputs.push(Output {
            elements: finder.output(o.dtype, o.width, o.at.as_ref()),
            base: *base,
            is_sum: o.at.is_none(),
        });
    }
    // The rows that the body computes at once: those in memory of this part should stay in a cache.
    let most = match finder.alone {
        true => 1,
        false => (COPIED / finder.widest.max(1)).max(1),
    };
    let Finder {
        mut walk, slots, ..
    } = finder;
    let mut need = [0; 4];
    for (kind, width) in program.scratch {
        need[*kind as usize] += sizes[*width] as usize;
    }
    let elements = loads.iter().map(|l| &l.elements);
    for e in elements.chain(outputs.iter().map(|o| &o.elements)) {
        need[e.kind as usize] += if e.is_copied { most * e.n } else { 0 };
    }
    let mut memory = Memories::of(need);
    let mut f32s: Vec<Rows<'_, f32>> = vec![Rows { all: &[], step: 0 }; read[0]];
    let mut i32s: Vec<Rows<'_, i32>> = vec![Rows { all: &[], step: 0 }; read[1]];
    let mut u32s: Vec<Rows<'_, u32>> = vec![Rows { all: &[], step: 0 }; read[2]];
    let mut bools: Vec<Rows<'_, bool>> = vec![Rows { all: &[], step: 0 }; read[3]];
    let mut out_f32s: Vec<RowsMut<'_, f32>> = empty(slots[0]);
    let mut out_i32s: Vec<RowsMut<'_, i32>> = empty(slots[1]);
    let mut out_u32s: Vec<RowsMut<'_, u32>> = empty(slots[2]);
    let mut out_bools: Vec<RowsMut<'_, bool>> = empty(slots[3]);
    for l in &mut loads {
        if l.elements.is_copied {
            l.elements.own = memory.take(l.elements.kind, most * l.elements.n);
        }
    }
    for o in &mut outputs {
        let e = &mut o.elements;
        if e.is_copied {
            e.own = memory.take(e.kind, most * e.n);
        }
        if o.is_sum {
            // SAFETY: a sum has a row of float32 for each block.
            unsafe {
                o.base = o.base.cast::<f32>().add(part.block * e.n).cast();
                std::slice::from_raw_parts_mut(o.base.cast::<f32>(), e.n).fill(0.0);
            }
        }
    }
    for (kind, width) in program.scratch {
        let n = sizes[*width] as usize;
        let own = memory.take(*kind, n);
        // SAFETY: the memory is of that type and length, and nothing else refers to it.
        unsafe {
            match kind {
                Scalar::F32 => out_f32s.push(slice(own, n, 0)),
                Scalar::I32 => out_i32s.push(slice(own, n, 0)),
                Scalar::U32 => out_u32s.push(slice(own, n, 0)),
                Scalar::Bool => out_bools.push(slice(own, n, 0)),
            }
        }
    }
    let mut row = part.first;
    while row < part.last {
        let count = most.min(walk.left()).min(part.last - row);
        let mut piece = job.piece;
        if let Some((i, all)) = flat {
            piece = piece.min(all - row * job.piece);
            sizes[i] = piece as i64;
        }
        for (k, l) in loads.iter().enumerate() {
            if row > part.first && !l.varies {
                continue;
            }
            let e = &l.elements;
            let n = if e.is_piece { piece } else { e.n };
            let (mut from, away) = (walk.places()[k], walk.step(k));
            for c in l.chosen {
                let of = &loads[c.load].elements;
                let index = match of.kind {
                    Scalar::I32 => i32s[of.slot].all.first().map_or(0, |x| i64::from(*x)),
                    Scalar::U32 => u32s[of.slot].all.first().map_or(0, |x| i64::from(*x)),
                    _ => 0,
                };
                from += place(index, job.sizes[c.size] as usize) * job.sizes[c.stride] as usize;
            }
            // A value that does not vary is there once.
            let (count, step) = match l.varies {
                true if e.own.is_null() => (count, away),
                true => (count, n),
                false => (1, 0),
            };
            // SAFETY: the elements are those of an array of the program's sizes, and `own` has room for as many where
            // they are copied.
            unsafe {
                for i in (0..count).filter(|_| !e.own.is_null()) {
                    let (from, own) = (from + i * away, i * n);
                    match e.kind {
                        Scalar::F32 => {
                            let own = e.own.cast::<f32>().add(own);
                            read_floats(l.base, e.stored, from, e.step, n, own);
                        }
                        Scalar::I32 | Scalar::U32 => {
                            let own = e.own.cast::<u32>().add(own);
                            read_words(l.base.cast(), from, e.step, n, own);
                        }
                        Scalar::Bool => {
                            let own = e.own.cast::<bool>().add(own);
                            read_truths(l.base, from, e.step, n, own);
                        }
                    }
                }
                // All types that are not copied have four bytes.
                let first = match e.own.is_null() {
                    true => l.base.cast::<u32>().add(from).cast(),
                    false => e.own.cast_const(),
                };
                let all = (count - 1) * step + n;
                match e.kind {
                    Scalar::F32 => f32s[e.slot] = shared(first, all, step),
                    Scalar::I32 => i32s[e.slot] = shared(first, all, step),
                    Scalar::U32 => u32s[e.slot] = shared(first, all, step),
                    Scalar::Bool => bools[e.slot] = shared(first, all, step),
                }
            }
        }
        for (k, o) in outputs.iter().enumerate() {
            let (e, k) = (&o.elements, loads.len() + k);
            let n = if e.is_piece { piece } else { e.n };
            // SAFETY: the places are these rows' own in the output, or memory of this part.
            unsafe {
                let (first, step) = match e.own.is_null() {
                    true => (
                        o.base.cast::<u32>().add(walk.places()[k]).cast(),
                        walk.step(k),
                    ),
                    false => (e.own, n),
                };
                let all = (count - 1) * step + n;
                match e.kind {
                    Scalar::F32 => out_f32s[e.slot] = slice(first, all, step),
                    Scalar::I32 => out_i32s[e.slot] = slice(first, all, step),
                    Scalar::U32 => out_u32s[e.slot] = slice(first, all, step),
                    Scalar::Bool => out_bools[e.slot] = slice(first, all, step),
                }
            }
        }
        let some = Row {
            count,
            sizes: &sizes,
            numbers: &job.numbers,
            at: &walk.at,
            f32s: &f32s,
            i32s: &i32s,
            u32s: &u32s,
            bools: &bools,
            out_f32s: &mut out_f32s,
            out_i32s: &mut out_i32s,
            out_u32s: &mut out_u32s,
            out_bools: &mut out_bools,
        };
        // SAFETY: the caller's promise.
        unsafe { body(some) };
        for (k, o) in outputs.iter().enumerate() {
            let e = &o.elements;
            let n = if e.is_piece { piece } else { e.n };
            let (at, away) = (walk.places()[loads.len() + k], walk.step(loads.len() + k));
            for i in (0..count).filter(|_| !e.own.is_null()) {
                let at = at + i * away;
                // SAFETY: `own` has the elements of each row. Those of this row are inside of the output, and no other
                // row's; a sum is this block's own.
                unsafe {
                    match e.kind {
                        Scalar::F32 => {
                            let x = std::slice::from_raw_parts(e.own.cast::<f32>().add(i * n), n);
                            match o.is_sum {
                                true => add_floats(x, o.base.cast()),
                                false => store_floats(x, o.base, e.stored, at, e.step),
                            }
                        }
                        Scalar::I32 | Scalar::U32 => {
                            let x = std::slice::from_raw_parts(e.own.cast::<u32>().add(i * n), n);
                            store(x, o.base.cast(), at, e.step);
                        }
                        Scalar::Bool => {
                            let x = std::slice::from_raw_parts(e.own.cast::<bool>().add(i * n), n);
                            store(x, o.base.cast(), at, e.step);
                        }
                    }
                }
            }
        }
        walk.advance(count);
        row += count;
    }
}

fn empty<'a, T>(n: usize) -> Vec<RowsMut<'a, T>> {
    let none = || RowsMut {
        all: &mut [],
        step: 0,
    };
    std::iter::repeat_with(none).take(n).collect()
}

/// # Safety
/// `first` leads to `n` elements, which nothing writes as long as the result lives.
#[inline(always)]
unsafe fn shared<'a, T>(first: *const u8, n: usize, step: usize) -> Rows<'a, T> {
    // SAFETY: the caller's promise.
    let all = unsafe { std::slice::from_raw_parts(first.cast(), n) };
    Rows { all, step }
}

/// # Safety
/// `first` leads to `n` elements, which nothing else refers to as long as the result is used.
#[inline(always)]
unsafe fn slice<'a, T>(first: *mut u8, n: usize, step: usize) -> RowsMut<'a, T> {
    // SAFETY: the caller's promise.
    let all = unsafe { std::slice::from_raw_parts_mut(first.cast(), n) };
    RowsMut { all, step }
}
