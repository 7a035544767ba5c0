//! A call of a program, in parts that threads share.
//!
//! Tests: `mlx-tests --test kernels`.

use std::ffi::{c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::super::program::Program;
use super::part::Part;
use crate::model::bind::Class;
use crate::Dtype;

/// The elements that are worth a thread.
const WORTH: usize = 32 * 1024;
/// The elements of a flat program that are computed at once, where they are copied on the way.
const PIECE: usize = 2048;
/// The rows that a block of a sum has, unless there were too many blocks.
const ADDED: usize = 16;
/// The most parts that threads share.
const MOST_PARTS: usize = 64;

/// A call of a program with its sizes.
pub struct Job {
    pub program: &'static Program,
    pub sizes: Vec<i64>,
    pub numbers: Vec<f32>,
    pub float: Dtype,
    /// Rows, or pieces of a flat program.
    pub rows: usize,
    /// The elements of a piece.
    pub piece: usize,
    /// Rows of a part.
    each: usize,
}

impl Job {
    pub fn new(
        program: &'static Program,
        sizes: Vec<i64>,
        numbers: Vec<f32>,
        float: Dtype,
    ) -> Option<Self> {
        let count = program.rows.iter().try_fold(1usize, |n, i| {
            n.checked_mul(usize::try_from(sizes[*i]).ok()?)
        })?;
        let (loads, outputs) = (program.loads.iter(), program.outputs.iter());
        let widths = loads.map(|l| l.width).chain(outputs.map(|o| o.width));
        let widest = widths.map(|i| sizes[i]).max();
        let widest = widest.and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
        let piece = if is_copied(program, float) {
            PIECE
        } else {
            WORTH
        };
        let (rows, width) = match program.flat {
            Some(i) => {
                let all = count.checked_mul(usize::try_from(sizes[i]).ok()?)?;
                (all.div_ceil(piece), piece)
            }
            None => (count, widest),
        };
        let sums = program.outputs.iter().any(|o| o.at.is_none());
        // The blocks of a sum hang on the number of rows alone.
        let parts = match sums {
            true => (rows / ADDED).clamp(1, MOST_PARTS),
            false => (rows.saturating_mul(width) / WORTH).clamp(1, MOST_PARTS),
        };
        Some(Job {
            program,
            sizes,
            numbers,
            float,
            rows,
            piece,
            each: rows.div_ceil(parts).max(1),
        })
    }

    /// The number of parts.
    pub fn parts(&self) -> usize {
        self.rows.div_ceil(self.each)
    }

    /// The sizes of each output as it is stored: a sum has a row for each part.
    pub fn shapes(&self) -> Vec<Vec<i64>> {
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
    pub unsafe extern "C" fn run(
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
    pub unsafe extern "C" fn free(job: *mut c_void) {
        // SAFETY: the caller's promise. Nothing in a job panics when it is dropped.
        drop(unsafe { Box::from_raw(job.cast::<Job>()) });
    }
}

/// True if rows lie in memory of the host's on the way, which should stay in a cache.
fn is_copied(program: &Program, float: Dtype) -> bool {
    let converted = |c: &Class| match c {
        Class::Float => float != Dtype::Float32,
        Class::Bool => true,
        _ => false,
    };
    let mut stored = program.outputs.iter().map(|o| &o.dtype);
    program.inputs.iter().any(converted) || stored.any(converted) || !program.scratch.is_empty()
}
