//! The CPU's host of generated kernels: it finds the elements of each row, converts half types, and calls the body.
//!
//! Each level of x86-64 has a version of the body and of the loops around it, as in `mlx-sys/native/fused`; all give the
//! same bits, because Rust contracts no products and sums, and [`super::reduce`] fixes the order of additions.
//!
//! Tests: `mlx-tests --test kernels`.

use std::ffi::{c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::half;
use super::program::{dtype, scalar, At, Program, Scalar};
use crate::Dtype;

/// The elements of one row. Outputs come before scratch memory.
pub struct Row<'a, 'b> {
    /// The program's sizes.
    pub sizes: &'a [i64],
    /// The numbers of the call.
    pub numbers: &'a [f32],
    /// The coordinates of the row.
    pub at: &'a [i32],
    /// Loads of float32.
    pub f32s: &'a [&'b [f32]],
    /// Loads of int32.
    pub i32s: &'a [&'b [i32]],
    /// Loads of uint32.
    pub u32s: &'a [&'b [u32]],
    /// Loads of truth values.
    pub bools: &'a [&'b [bool]],
    /// Outputs of float32.
    pub out_f32s: &'a mut [&'b mut [f32]],
    /// Outputs of int32.
    pub out_i32s: &'a mut [&'b mut [i32]],
    /// Outputs of uint32.
    pub out_u32s: &'a mut [&'b mut [u32]],
    /// Outputs of truth values.
    pub out_bools: &'a mut [&'b mut [bool]],
}

/// The work of one row.
pub trait Body {
    /// Writes the outputs of a row. It is inlined into a version of the host for each level of the processor.
    fn row(row: Row<'_, '_>);
}

/// The loop over the rows of a part, which calls a body.
type Host = unsafe fn(&Part<'_>, unsafe fn(Row<'_, '_>));

/// A body, compiled for each level.
#[derive(Clone, Copy)]
pub struct Cpu {
    levels: [unsafe fn(Row<'_, '_>); 3],
}

impl Cpu {
    /// The versions of a body.
    pub const fn of<B: Body>() -> Self {
        Self {
            levels: [by_default::<B>, v3::<B>, v4::<B>],
        }
    }

    /// The versions for this processor, which `MLX_SYS_CPU_LEVEL` may name: of the body and of the loop over its rows.
    fn run(self, part: &Part<'_>) {
        let (level, host): (usize, Host) = match crate::cpu::level() {
            Some("x86-64-v4") => (2, host_v4),
            Some("x86-64-v3") => (1, host_v3),
            _ => (0, rows),
        };
        // SAFETY: the processor runs the level that the native library found.
        unsafe { host(part, self.levels[level]) }
    }
}

unsafe fn by_default<B: Body>(row: Row<'_, '_>) {
    B::row(row);
}

/// A function for each level above the default.
macro_rules! level {
    ($features:literal: $body:ident, $host:ident) => {
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = $features))]
        unsafe fn $body<B: Body>(row: Row<'_, '_>) {
            B::row(row);
        }

        #[cfg_attr(target_arch = "x86_64", target_feature(enable = $features))]
        unsafe fn $host(part: &Part<'_>, body: unsafe fn(Row<'_, '_>)) {
            // SAFETY: the caller's promise.
            unsafe { rows(part, body) };
        }
    };
}

level!("avx,avx2,bmi1,bmi2,lzcnt,movbe,popcnt": v3, host_v3);
level!("avx,avx2,bmi1,bmi2,lzcnt,movbe,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl": v4, host_v4);

/// The elements of a flat program that are computed at once.
const PIECE: usize = 2048;
/// The elements that are worth a thread.
const WORTH: usize = 16 * 1024;
/// The most parts that threads share.
const MOST_PARTS: usize = 64;

/// A call of a program with its sizes.
pub(super) struct Job {
    pub program: &'static Program,
    pub sizes: Vec<i64>,
    pub numbers: Vec<f32>,
    pub float: Dtype,
    /// Rows, or pieces of a flat program.
    pub rows: usize,
    /// Rows of a part.
    pub each: usize,
}

impl Job {
    pub(super) fn new(
        program: &'static Program,
        sizes: Vec<i64>,
        numbers: Vec<f32>,
        float: Dtype,
    ) -> Option<Self> {
        let count = program.rows.iter().try_fold(1usize, |n, i| {
            n.checked_mul(usize::try_from(sizes[*i]).ok()?)
        })?;
        let widest = program
            .loads
            .iter()
            .map(|l| l.width)
            .chain(program.outputs.iter().map(|o| o.width));
        let widest = widest
            .map(|i| sizes[i])
            .max()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(1);
        let (rows, width) = match program.flat {
            Some(i) => (
                count
                    .checked_mul(usize::try_from(sizes[i]).ok()?)?
                    .div_ceil(PIECE),
                PIECE,
            ),
            None => (count, widest),
        };
        let sums = program.outputs.iter().any(|o| o.at.is_none());
        // The blocks of a sum hang on the number of rows alone.
        let parts = match sums {
            true => MOST_PARTS,
            false => (rows.saturating_mul(width) / WORTH).clamp(1, MOST_PARTS),
        };
        Some(Job {
            program,
            sizes,
            numbers,
            float,
            rows,
            each: rows.div_ceil(parts).max(1),
        })
    }

    /// The number of parts.
    pub(super) fn parts(&self) -> usize {
        self.rows.div_ceil(self.each)
    }

    /// The sizes of each output as it is stored: a sum has a row for each part.
    pub(super) fn shapes(&self) -> Vec<Vec<i64>> {
        let parts = i64::try_from(self.parts()).unwrap_or(i64::MAX);
        let outputs = self.program.outputs.iter().map(|o| match o.at {
            Some(_) => o.shape.iter().map(|i| self.sizes[*i]).collect(),
            None => vec![parts, self.sizes[o.width]],
        });
        outputs.collect()
    }

    /// Computes a part; for C++, which calls it with the payload that is this job.
    ///
    /// # Safety
    /// `job` leads to a job, and the lists to as many arrays as its program has, row-contiguous and of its sizes.
    pub(super) unsafe extern "C" fn run(
        job: *mut c_void,
        inputs: *const *const c_void,
        outputs: *const *mut c_void,
        part: c_int,
    ) -> c_int {
        // SAFETY: the caller's promise.
        let job = unsafe { &*job.cast::<Job>() };
        let part = usize::try_from(part).unwrap_or(0);
        // SAFETY: the caller's promise.
        let (inputs, outputs) = unsafe {
            (
                std::slice::from_raw_parts(inputs.cast::<*const u8>(), job.program.inputs.len()),
                std::slice::from_raw_parts(outputs.cast::<*mut u8>(), job.program.outputs.len()),
            )
        };
        let first = part * job.each;
        let part = Part {
            job,
            inputs,
            outputs,
            block: part,
            first,
            last: (first + job.each).min(job.rows),
        };
        let Some(cpu) = job.program.cpu else { return 1 };
        match catch_unwind(AssertUnwindSafe(|| cpu.run(&part))) {
            Ok(()) => 0,
            Err(payload) => {
                crate::transforms::closure::discard(payload);
                1
            }
        }
    }

    /// Frees a job that C++ owns.
    ///
    /// # Safety
    /// `job` is of `Box::into_raw`, and is not used again.
    pub(super) unsafe extern "C" fn free(job: *mut c_void) {
        // SAFETY: the caller's promise. Nothing in a job panics when it is dropped.
        drop(unsafe { Box::from_raw(job.cast::<Job>()) });
    }
}

/// Some rows of a job.
pub(super) struct Part<'a> {
    job: &'a Job,
    inputs: &'a [*const u8],
    outputs: &'a [*mut u8],
    block: usize,
    first: usize,
    last: usize,
}

/// Where elements lie.
struct Place<'a> {
    at: &'a At,
    sizes: &'a [i64],
    column: usize,
}

impl<'a> Place<'a> {
    fn new(at: &'a At, sizes: &'a [i64]) -> Self {
        Place {
            at,
            sizes,
            column: sizes[at.column] as usize,
        }
    }

    /// The first element of a row, without chosen rows.
    #[inline(always)]
    fn of(&self, row: &[i32]) -> usize {
        let mut at = self.sizes[self.at.offset] as usize;
        for (i, stride) in self.at.rows {
            at += row[*i] as usize * self.sizes[*stride] as usize;
        }
        at
    }

    fn varies(&self) -> bool {
        !self.at.rows.is_empty() || !self.at.chosen.is_empty()
    }
}

/// The column that an index stands for: a negative one counts from the end, and what is outside then is clamped.
#[inline(always)]
pub fn place(index: i64, len: usize) -> usize {
    let n = len as i64;
    let at = if index < 0 { index + n } else { index };
    at.clamp(0, (n - 1).max(0)) as usize
}

/// Memory of one type for the rows of a part.
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

/// Computes the rows of a part.
///
/// # Safety
/// The processor runs the level of `body`.
#[inline(always)]
unsafe fn rows(part: &Part<'_>, body: unsafe fn(Row<'_, '_>)) {
    let job = part.job;
    let program = job.program;
    let mut sizes = job.sizes.clone();
    let row_sizes: Vec<usize> = program.rows.iter().map(|i| sizes[*i] as usize).collect();
    let total = row_sizes.iter().product::<usize>();
    let flat = program.flat.map(|i| (i, total * sizes[i] as usize));
    if let Some((i, _)) = flat {
        sizes[i] = PIECE as i64;
    }
    let length = |i: usize| sizes[i] as usize;
    // The memory of all types: loads, outputs and scratch.
    let mut need = [0usize; 4];
    let mut count = |kind: Scalar, n: usize| need[kind as usize] += n;
    program
        .loads
        .iter()
        .for_each(|l| count(scalar(program.inputs[l.input]), length(l.width)));
    program
        .outputs
        .iter()
        .for_each(|o| count(scalar(o.dtype), length(o.width)));
    program.scratch.iter().for_each(|s| count(s.0, length(s.1)));
    let mut floats = Memory::<f32>::of(need[Scalar::F32 as usize]);
    let mut ints = Memory::<i32>::of(need[Scalar::I32 as usize]);
    let mut unsigned = Memory::<u32>::of(need[Scalar::U32 as usize]);
    let mut truths = Memory::<bool>::of(need[Scalar::Bool as usize]);
    let (mut f32s, mut i32s): (Vec<&[f32]>, Vec<&[i32]>) = (Vec::new(), Vec::new());
    let (mut u32s, mut bools): (Vec<&[u32]>, Vec<&[bool]>) = (Vec::new(), Vec::new());
    let (mut out_f32s, mut out_i32s): (Vec<&mut [f32]>, Vec<&mut [i32]>) = (Vec::new(), Vec::new());
    let (mut out_u32s, mut out_bools): (Vec<&mut [u32]>, Vec<&mut [bool]>) =
        (Vec::new(), Vec::new());
    // The place of each load and output, and its own memory.
    let mut loads = Vec::new();
    for l in program.loads {
        let kind = scalar(program.inputs[l.input]);
        let n = length(l.width);
        let (own, slot): (*mut u8, usize) = match kind {
            Scalar::F32 => {
                f32s.push(&[]);
                (floats.take(n).cast(), f32s.len() - 1)
            }
            Scalar::I32 => {
                i32s.push(&[]);
                (ints.take(n).cast(), i32s.len() - 1)
            }
            Scalar::U32 => {
                u32s.push(&[]);
                (unsigned.take(n).cast(), u32s.len() - 1)
            }
            Scalar::Bool => {
                bools.push(&[]);
                (truths.take(n).cast(), bools.len() - 1)
            }
        };
        loads.push((l, Place::new(&l.at, &job.sizes), kind, own, slot));
    }
    let mut outputs = Vec::new();
    for (o, to) in program.outputs.iter().zip(part.outputs) {
        let kind = scalar(o.dtype);
        let n = length(o.width);
        let (own, slot): (*mut u8, usize) = match kind {
            Scalar::F32 => {
                out_f32s.push(&mut []);
                (floats.take(n).cast(), out_f32s.len() - 1)
            }
            Scalar::I32 => {
                out_i32s.push(&mut []);
                (ints.take(n).cast(), out_i32s.len() - 1)
            }
            Scalar::U32 => {
                out_u32s.push(&mut []);
                (unsigned.take(n).cast(), out_u32s.len() - 1)
            }
            Scalar::Bool => {
                out_bools.push(&mut []);
                (truths.take(n).cast(), out_bools.len() - 1)
            }
        };
        if o.at.is_none() {
            // SAFETY: a sum has a row of float32 for each block.
            unsafe { std::slice::from_raw_parts_mut(to.cast::<f32>().add(part.block * n), n) }
                .fill(0.0);
        }
        let place = o.at.as_ref().map(|at| Place::new(at, &job.sizes));
        outputs.push((o, place, kind, own, slot, *to));
    }
    for (kind, i) in program.scratch {
        let n = length(*i);
        // SAFETY: the memory is of that type and length, and nothing else refers to it.
        unsafe {
            match kind {
                Scalar::F32 => out_f32s.push(std::slice::from_raw_parts_mut(floats.take(n), n)),
                Scalar::I32 => out_i32s.push(std::slice::from_raw_parts_mut(ints.take(n), n)),
                Scalar::U32 => out_u32s.push(std::slice::from_raw_parts_mut(unsigned.take(n), n)),
                Scalar::Bool => out_bools.push(std::slice::from_raw_parts_mut(truths.take(n), n)),
            }
        }
    }
    let mut at = vec![0i32; row_sizes.len()];
    for row in part.first..part.last {
        let (mut start, mut piece) = (0, 0);
        match flat {
            Some((i, all)) => {
                start = row * PIECE;
                piece = PIECE.min(all - start);
                sizes[i] = piece as i64;
            }
            None if row > part.first => {
                for (a, size) in at.iter_mut().zip(&row_sizes).rev() {
                    *a += 1;
                    if (*a as usize) < *size {
                        break;
                    }
                    *a = 0;
                }
            }
            None => {
                let mut rest = row;
                for (a, size) in at.iter_mut().zip(&row_sizes).rev() {
                    *a = (rest % size) as i32;
                    rest /= size;
                }
            }
        }
        let width = |i: usize| match flat {
            Some((f, _)) if f == i => piece,
            _ => job.sizes[i] as usize,
        };
        for (l, place, kind, own, slot) in &loads {
            if row > part.first && !place.varies() && flat.is_none() {
                continue;
            }
            let n = width(l.width);
            let own = *own;
            let mut from = match flat {
                Some((f, _)) if f == l.width => start,
                _ => place.of(&at),
            };
            for c in place.at.chosen {
                let chosen = chosen(&loads[c.load].4, loads[c.load].2, &i32s, &u32s);
                let size = place.sizes[c.size] as usize;
                from += self::place(chosen, size) * place.sizes[c.stride] as usize;
            }
            let stored = dtype(program.inputs[l.input], job.float);
            let base = part.inputs[l.input];
            // SAFETY: the elements are those of an array of the program's sizes, and `own` has room for as many.
            unsafe {
                match kind {
                    Scalar::F32 => {
                        f32s[*slot] = floats_at(base, stored, from, place.column, n, own.cast())
                    }
                    Scalar::I32 => {
                        i32s[*slot] = words_at(base.cast(), from, place.column, n, own.cast())
                    }
                    Scalar::U32 => {
                        u32s[*slot] = words_at(base.cast(), from, place.column, n, own.cast())
                    }
                    Scalar::Bool => {
                        bools[*slot] = truths_at(base, from, place.column, n, own.cast())
                    }
                }
            }
        }
        for (o, place, kind, own, slot, to) in &outputs {
            let n = width(o.width);
            let direct = match place {
                Some(p) => p.column == 1 || n == 1,
                None => false,
            };
            let first = match (flat, place) {
                (Some(_), _) => start,
                (None, Some(p)) => p.of(&at),
                (None, None) => 0,
            };
            // SAFETY: the place is this row's own in the output, or memory of this part.
            unsafe {
                match kind {
                    Scalar::F32 => {
                        let stored = dtype(o.dtype, job.float) == Dtype::Float32 && direct;
                        let p = if stored {
                            to.cast::<f32>().add(first)
                        } else {
                            own.cast()
                        };
                        out_f32s[*slot] = std::slice::from_raw_parts_mut(p, n);
                    }
                    Scalar::I32 => {
                        let p = if direct {
                            to.cast::<i32>().add(first)
                        } else {
                            own.cast()
                        };
                        out_i32s[*slot] = std::slice::from_raw_parts_mut(p, n);
                    }
                    Scalar::U32 => {
                        let p = if direct {
                            to.cast::<u32>().add(first)
                        } else {
                            own.cast()
                        };
                        out_u32s[*slot] = std::slice::from_raw_parts_mut(p, n);
                    }
                    Scalar::Bool => {
                        out_bools[*slot] = std::slice::from_raw_parts_mut(own.cast(), n)
                    }
                }
            }
        }
        let row = Row {
            sizes: &sizes,
            numbers: &job.numbers,
            at: &at,
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
        for (o, place, kind, _, slot, to) in &outputs {
            let n = width(o.width);
            let Some(p) = place else {
                // SAFETY: this block's row of the sum.
                let sum = unsafe {
                    std::slice::from_raw_parts_mut(to.cast::<f32>().add(part.block * n), n)
                };
                for (s, x) in sum.iter_mut().zip(&*out_f32s[*slot]) {
                    *s += x;
                }
                continue;
            };
            let direct = p.column == 1 || n == 1;
            let first = if flat.is_some() { start } else { p.of(&at) };
            let stored = dtype(o.dtype, job.float);
            // SAFETY: the elements of this row are inside of the output, and no other row's.
            unsafe {
                match kind {
                    Scalar::F32 if stored == Dtype::Float32 && direct => {}
                    Scalar::F32 => store_floats(out_f32s[*slot], *to, stored, first, p.column),
                    Scalar::I32 if direct => {}
                    Scalar::I32 => store(out_i32s[*slot], to.cast::<i32>(), first, p.column),
                    Scalar::U32 if direct => {}
                    Scalar::U32 => store(out_u32s[*slot], to.cast::<u32>(), first, p.column),
                    Scalar::Bool => store(out_bools[*slot], to.cast::<bool>(), first, p.column),
                }
            }
        }
    }
}

/// The first element of a load of whole numbers.
#[inline(always)]
fn chosen(slot: &usize, kind: Scalar, i32s: &[&[i32]], u32s: &[&[u32]]) -> i64 {
    match kind {
        Scalar::I32 => i32s[*slot].first().map_or(0, |x| i64::from(*x)),
        Scalar::U32 => u32s[*slot].first().map_or(0, |x| i64::from(*x)),
        _ => 0,
    }
}

/// `n` elements as float32: the array's own, or copies in `own`.
///
/// # Safety
/// The elements are inside of the array, and `own` has room for `n`.
#[inline(always)]
unsafe fn floats_at<'a>(
    base: *const u8,
    dtype: Dtype,
    from: usize,
    step: usize,
    n: usize,
    own: *mut f32,
) -> &'a [f32] {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Float16 => {
                converted(base.cast::<u16>().add(from), step, n, own, half::of_float16)
            }
            Dtype::Bfloat16 => converted(
                base.cast::<u16>().add(from),
                step,
                n,
                own,
                half::of_bfloat16,
            ),
            _ => words_at(base.cast::<f32>(), from, step, n, own),
        }
    }
}

/// # Safety
/// As [`floats_at`].
#[inline(always)]
unsafe fn words_at<'a, T: Copy>(
    base: *const T,
    from: usize,
    step: usize,
    n: usize,
    own: *mut T,
) -> &'a [T] {
    // SAFETY: the caller's promise.
    unsafe {
        match step == 1 || n == 1 {
            true => std::slice::from_raw_parts(base.add(from), n),
            false => converted(base.add(from), step, n, own, |x| x),
        }
    }
}

/// # Safety
/// As [`floats_at`].
#[inline(always)]
unsafe fn truths_at<'a>(
    base: *const u8,
    from: usize,
    step: usize,
    n: usize,
    own: *mut bool,
) -> &'a [bool] {
    // SAFETY: the caller's promise.
    unsafe { converted(base.add(from), step, n, own, |x| x != 0) }
}

/// # Safety
/// `first` leads to `n` elements at a distance of `step`, `own` to room for `n`.
#[inline(always)]
unsafe fn converted<'a, S: Copy, T>(
    first: *const S,
    step: usize,
    n: usize,
    own: *mut T,
    f: impl Fn(S) -> T,
) -> &'a [T] {
    // SAFETY: the caller's promise. The two do not overlap: `own` is memory of this part.
    unsafe {
        if step == 1 {
            let from = std::slice::from_raw_parts(first, n);
            let to = std::slice::from_raw_parts_mut(own, n);
            for (t, x) in to.iter_mut().zip(from) {
                *t = f(*x);
            }
        } else {
            for i in 0..n {
                own.add(i).write(f(*first.add(i * step)));
            }
        }
        std::slice::from_raw_parts(own, n)
    }
}

/// # Safety
/// The elements from `first` on at a distance of `step` are inside of the output.
#[inline(always)]
unsafe fn store_floats(x: &[f32], to: *mut u8, dtype: Dtype, first: usize, step: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Float16 => written(x, to.cast::<u16>().add(first), step, half::to_float16),
            Dtype::Bfloat16 => written(x, to.cast::<u16>().add(first), step, half::to_bfloat16),
            _ => store(x, to.cast::<f32>(), first, step),
        }
    }
}

/// # Safety
/// As [`store_floats`].
#[inline(always)]
unsafe fn store<T: Copy>(x: &[T], to: *mut T, first: usize, step: usize) {
    // SAFETY: the caller's promise.
    unsafe { written(x, to.add(first), step, |x| x) }
}

/// # Safety
/// `to` leads to as many elements as `x` has, at a distance of `step`.
#[inline(always)]
unsafe fn written<S: Copy, T>(x: &[S], to: *mut T, step: usize, f: impl Fn(S) -> T) {
    // SAFETY: the caller's promise.
    unsafe {
        if step == 1 {
            for (t, x) in std::slice::from_raw_parts_mut(to, x.len())
                .iter_mut()
                .zip(x)
            {
                *t = f(*x);
            }
        } else {
            for (i, x) in x.iter().enumerate() {
                to.add(i * step).write(f(*x));
            }
        }
    }
}
