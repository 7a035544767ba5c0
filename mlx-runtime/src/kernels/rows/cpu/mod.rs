//! The CPU's host of generated kernels: it finds the elements of each row, converts half types, and calls the body.
//!
//! - `job`: a call of a program, and the parts of it that threads share.
//! - `part`: the loop over the rows of a part.
//! - `walk`: where the elements of each row lie.
//! - `elements`: reading and writing them.
//!
//! Each level of x86-64 has a version of the body and of the loops around it, as in `mlx-sys/native/fused`; all give the
//! same bits, because Rust contracts no products and sums, and [`super::reduce`] fixes the order of additions.
//!
//! Tests: `mlx-tests --test kernels`.

mod elements;
mod job;
mod part;
mod walk;

pub(super) use job::Job;
pub use walk::place;

use part::{rows, Part};

/// Slices of several rows.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    all: &'a [T],
    /// The distance of two rows.
    step: usize,
}

impl<'a, T> Rows<'a, T> {
    /// The slice of row `i`, and what follows.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &'a [T] {
        &self.all[i * self.step..]
    }
}

/// Slices of several rows that a body writes.
pub struct RowsMut<'a, T> {
    all: &'a mut [T],
    step: usize,
}

impl<T> RowsMut<'_, T> {
    /// The slice of row `i`, and what follows.
    #[inline(always)]
    pub fn row(&mut self, i: usize) -> &mut [T] {
        &mut self.all[i * self.step..]
    }
}

/// The elements of rows that are neighbours on the last axis. Outputs come before scratch memory.
pub struct Row<'a, 'b> {
    /// The number of rows.
    pub count: usize,
    /// The program's sizes.
    pub sizes: &'a [i64],
    /// The numbers of the call.
    pub numbers: &'a [f32],
    /// The coordinates of the first row.
    pub at: &'a [i32],
    /// Loads of float32.
    pub f32s: &'a [Rows<'b, f32>],
    /// Loads of int32.
    pub i32s: &'a [Rows<'b, i32>],
    /// Loads of uint32.
    pub u32s: &'a [Rows<'b, u32>],
    /// Loads of truth values.
    pub bools: &'a [Rows<'b, bool>],
    /// Outputs of float32.
    pub out_f32s: &'a mut [RowsMut<'b, f32>],
    /// Outputs of int32.
    pub out_i32s: &'a mut [RowsMut<'b, i32>],
    /// Outputs of uint32.
    pub out_u32s: &'a mut [RowsMut<'b, u32>],
    /// Outputs of truth values.
    pub out_bools: &'a mut [RowsMut<'b, bool>],
}

/// The work of rows.
pub trait Body {
    /// Writes the outputs of some rows. It is inlined into a version of the host for each level of the processor.
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
