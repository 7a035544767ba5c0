//! The loop over the rows of a part.
//!
//! Tests: `mlx-tests --test kernels`.

use super::super::program::{dtype, scalar, At, Chosen, Scalar};
use super::elements::{floats_at, store, store_floats, truths_at, words_at};
use super::walk::{place, Walk};
use super::{Job, Row};
use crate::model::bind::Class;
use crate::Dtype;

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
    /// The distance of two elements.
    step: usize,
    /// Memory of this part, where the row is not taken from the array itself.
    own: *mut u8,
    /// The place among the slices of its type.
    slot: usize,
}

impl Elements {
    /// True if the array's own elements are what the body reads or writes. Truth values are not, because a byte may hold
    /// another number.
    fn is_direct(&self) -> bool {
        let whole = self.step == 1 || self.n == 1;
        match self.kind {
            Scalar::F32 => whole && self.stored == Dtype::Float32,
            Scalar::I32 | Scalar::U32 => whole,
            Scalar::Bool => false,
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
    /// The elements of each type that need memory of this part.
    need: [usize; 4],
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
        let elements = Elements {
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
            step: at.map_or(1, |at| sizes[at.column] as usize),
            own: std::ptr::null_mut(),
            slot: self.slots[kind as usize],
        };
        self.slots[kind as usize] += 1;
        if !elements.is_direct() || at.is_none() {
            self.need[kind as usize] += elements.n;
        }
        elements
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
        need: [0; 4],
    };
    let mut loads: Vec<Load> = Vec::with_capacity(program.loads.len());
    for l in program.loads {
        let elements = finder.find(program.inputs[l.input], l.width, Some(&l.at));
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
            elements: finder.find(o.dtype, o.width, o.at.as_ref()),
            base: *base,
            is_sum: o.at.is_none(),
        });
    }
    let Finder {
        mut walk,
        slots,
        mut need,
        ..
    } = finder;
    for (kind, width) in program.scratch {
        need[*kind as usize] += sizes[*width] as usize;
    }
    let mut memory = Memories::of(need);
    let mut f32s: Vec<&[f32]> = vec![&[]; read[Scalar::F32 as usize]];
    let mut i32s: Vec<&[i32]> = vec![&[]; read[Scalar::I32 as usize]];
    let mut u32s: Vec<&[u32]> = vec![&[]; read[Scalar::U32 as usize]];
    let mut bools: Vec<&[bool]> = vec![&[]; read[Scalar::Bool as usize]];
    let mut out_f32s: Vec<&mut [f32]> = empty(slots[Scalar::F32 as usize]);
    let mut out_i32s: Vec<&mut [i32]> = empty(slots[Scalar::I32 as usize]);
    let mut out_u32s: Vec<&mut [u32]> = empty(slots[Scalar::U32 as usize]);
    let mut out_bools: Vec<&mut [bool]> = empty(slots[Scalar::Bool as usize]);
    for l in &mut loads {
        if !l.elements.is_direct() {
            l.elements.own = memory.take(l.elements.kind, l.elements.n);
        }
    }
    for o in &mut outputs {
        let e = &mut o.elements;
        if o.is_sum || !e.is_direct() {
            e.own = memory.take(e.kind, e.n);
        }
        if o.is_sum {
            // SAFETY: a sum has a row of float32 for each block.
            unsafe { o.base = o.base.cast::<f32>().add(part.block * e.n).cast() };
            // SAFETY: as above.
            unsafe { std::slice::from_raw_parts_mut(o.base.cast::<f32>(), e.n) }.fill(0.0);
        }
    }
    for (kind, width) in program.scratch {
        let n = sizes[*width] as usize;
        let own = memory.take(*kind, n);
        // SAFETY: the memory is of that type and length, and nothing else refers to it.
        unsafe {
            match kind {
                Scalar::F32 => out_f32s.push(std::slice::from_raw_parts_mut(own.cast(), n)),
                Scalar::I32 => out_i32s.push(std::slice::from_raw_parts_mut(own.cast(), n)),
                Scalar::U32 => out_u32s.push(std::slice::from_raw_parts_mut(own.cast(), n)),
                Scalar::Bool => out_bools.push(std::slice::from_raw_parts_mut(own.cast(), n)),
            }
        }
    }
    for row in part.first..part.last {
        if row > part.first {
            walk.next();
        }
        let mut piece = job.piece;
        if let Some((i, all)) = flat {
            piece = piece.min(all - row * job.piece);
            sizes[i] = piece as i64;
        }
        let places = walk.places();
        for (l, from) in loads.iter().zip(places) {
            if row > part.first && !l.varies {
                continue;
            }
            let e = &l.elements;
            let n = if e.is_piece { piece } else { e.n };
            let mut from = *from;
            for c in l.chosen {
                let of = &loads[c.load].elements;
                let index = match of.kind {
                    Scalar::I32 => i32s[of.slot].first().map_or(0, |x| i64::from(*x)),
                    Scalar::U32 => u32s[of.slot].first().map_or(0, |x| i64::from(*x)),
                    _ => 0,
                };
                from += place(index, job.sizes[c.size] as usize) * job.sizes[c.stride] as usize;
            }
            // SAFETY: the elements are those of an array of the program's sizes, and `own` has room for as many where
            // they are not direct.
            unsafe {
                match e.kind {
                    Scalar::F32 => {
                        f32s[e.slot] = floats_at(l.base, e.stored, from, e.step, n, e.own.cast());
                    }
                    Scalar::I32 => {
                        i32s[e.slot] = words_at(l.base.cast(), from, e.step, n, e.own.cast());
                    }
                    Scalar::U32 => {
                        u32s[e.slot] = words_at(l.base.cast(), from, e.step, n, e.own.cast());
                    }
                    Scalar::Bool => {
                        bools[e.slot] = truths_at(l.base, from, e.step, n, e.own.cast());
                    }
                }
            }
        }
        let places = &places[loads.len()..];
        for (o, at) in outputs.iter().zip(places) {
            let e = &o.elements;
            let n = if e.is_piece { piece } else { e.n };
            // SAFETY: the place is this row's own in the output, or memory of this part.
            unsafe {
                let to = match e.own.is_null() {
                    // All types that are direct have four bytes.
                    true => o.base.cast::<u32>().add(*at).cast(),
                    false => e.own,
                };
                match e.kind {
                    Scalar::F32 => out_f32s[e.slot] = std::slice::from_raw_parts_mut(to.cast(), n),
                    Scalar::I32 => out_i32s[e.slot] = std::slice::from_raw_parts_mut(to.cast(), n),
                    Scalar::U32 => out_u32s[e.slot] = std::slice::from_raw_parts_mut(to.cast(), n),
                    Scalar::Bool => {
                        out_bools[e.slot] = std::slice::from_raw_parts_mut(to.cast(), n);
                    }
                }
            }
        }
        let row = Row {
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
        unsafe { body(row) };
        for (o, at) in outputs.iter().zip(places) {
            let e = &o.elements;
            if o.is_sum {
                // SAFETY: this block's row of the sum.
                let sum = unsafe { std::slice::from_raw_parts_mut(o.base.cast::<f32>(), e.n) };
                for (s, x) in sum.iter_mut().zip(&*out_f32s[e.slot]) {
                    *s += x;
                }
            } else if !e.own.is_null() {
                // SAFETY: the elements of this row are inside of the output, and no other row's.
                unsafe {
                    match e.kind {
                        Scalar::F32 => {
                            store_floats(out_f32s[e.slot], o.base, e.stored, *at, e.step);
                        }
                        Scalar::I32 => store(out_i32s[e.slot], o.base.cast::<i32>(), *at, e.step),
                        Scalar::U32 => store(out_u32s[e.slot], o.base.cast::<u32>(), *at, e.step),
                        Scalar::Bool => {
                            store(out_bools[e.slot], o.base.cast::<bool>(), *at, e.step)
                        }
                    }
                }
            }
        }
    }
}

fn empty<'a, T>(n: usize) -> Vec<&'a mut [T]> {
    std::iter::repeat_with(|| &mut [] as &mut [T])
        .take(n)
        .collect()
}
