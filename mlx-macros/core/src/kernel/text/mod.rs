//! Kernel text for CUDA and Metal, from a row program: one generator, two dialects.
//!
//! `LANES` threads compute a row: a whole block of more than 32, or a part of a simdgroup (a warp), so that a block has
//! several short rows. Where no lane needs values of another, a row may have more lanes than a block. A thread owns `PACK` columns at a time. Every sum has one order, which depends on the width and
//! on `LANES` alone. The host declares `LANES`, `PACK`, `THREADS`, the type `T` and the sizes in [`Text::constants`]
//! before the body; what may change from call to call is in [`Text::numbers`].
//!
//! Tests: `tests/text.rs`; `mlx-tests --test metal` runs Metal's text.

mod columns;
mod cuda;
mod dialect;
mod emit;
mod frame;
mod lines;
mod metal;
mod names;
mod reduce;
mod scalars;
mod writer;

pub use emit::emit;
pub use writer::write;

use crate::syntax::dims::Dim;

/// A program's text in one dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Functions that the body calls.
    pub header: String,
    /// The body of the kernel.
    pub body: String,
    /// The names of the arrays that are read.
    pub inputs: Vec<String>,
    /// The names of the arrays that are written.
    pub outputs: Vec<String>,
    /// The sizes that the host declares as `constexpr int`: the name of each in the program, and in the text.
    pub constants: Vec<(String, String)>,
    /// The numbers of a launch, each 32 bits, with their names as arguments of CUDA's function.
    pub numbers: Vec<(Argument, String)>,
    /// The widths of the loops over columns. `PACK` divides each of them.
    pub widths: Vec<Dim>,
    /// Names of packs of columns that a thread has, each at least the quotient of its width by the columns of all threads:
    /// the host declares them, for widths of `Program::varying` sizes.
    pub turns: Vec<(Dim, String)>,
    /// True if blocks add up rows; see [`super::ir::Place::Sum`].
    pub sums: bool,
    /// True if the lanes of a row need values of each other, so that they are threads of one block.
    pub together: bool,
}

/// A number of a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The number of rows.
    Rows,
    /// The number of rows that a worker adds up.
    RowsEach,
    /// A size, by its name in the program.
    Size(String),
    /// A number of `Program::numbers`, as the bits of a float32.
    Number(usize),
}

/// A dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// For NVRTC. The numbers are arguments after the arrays.
    Cuda,
    /// For `mx.fast.metal_kernel`. The numbers are one more input, the int32 array `numbers`.
    Metal,
}
