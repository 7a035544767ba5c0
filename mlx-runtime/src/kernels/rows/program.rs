//! A generated kernel as constant data: the macros write one beside each function.
//!
//! Sizes are polynomials of the numbers that a call binds; everything else refers to them by their place in
//! [`Program::sizes`].
//!
//! Tests: `mlx-tests --test kernels`.

use super::cpu::Cpu;
use super::text::Text;
use crate::model::bind::Class;
use crate::Dtype;

/// A sum of terms: a factor, and the places of the call's sizes that are multiplied with it.
pub type Size = &'static [(i64, &'static [usize])];

/// A row program.
pub struct Program {
    /// The function's name.
    pub name: &'static str,
    /// The body for the CPU, as Rust's tokens.
    pub rust: &'static str,
    /// The arrays that it reads, each with its sizes and its type.
    pub reads: &'static [&'static str],
    /// The arrays that it writes.
    pub writes: &'static [&'static str],
    /// All sizes in it.
    pub sizes: &'static [Size],
    /// The sizes of the row space, outermost first.
    pub rows: &'static [usize],
    /// The storage of each array that it reads.
    pub inputs: &'static [Class],
    /// The elements that one row reads.
    pub loads: &'static [Load],
    /// The arrays that it writes.
    pub outputs: &'static [Output],
    /// Rows of memory that the body needs, with their widths.
    pub scratch: &'static [(Scalar, usize)],
    /// Sizes that the body counts with, as int32.
    pub counts: &'static [usize],
    /// Parts of rows, which must be inside of them.
    pub cuts: &'static [Cut],
    /// The width of a row, where every element is computed alike, so that rows may be cut anywhere.
    pub flat: Option<usize>,
    /// The body for the CPU.
    pub cpu: Option<Cpu>,
    /// The text for CUDA.
    pub cuda: Option<Text>,
    /// The text for Metal.
    pub metal: Option<Text>,
}

/// The type in which elements are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// float32.
    F32,
    /// int32.
    I32,
    /// uint32.
    U32,
    /// A truth value.
    Bool,
}

/// The type in which elements of a storage class are computed.
pub(super) fn scalar(class: Class) -> Scalar {
    match class {
        Class::Float | Class::F32 => Scalar::F32,
        Class::I32 => Scalar::I32,
        Class::U32 => Scalar::U32,
        Class::Bool => Scalar::Bool,
    }
}

/// The dtype of a storage class, where the call's floats are `float`.
pub(super) fn dtype(class: Class, float: Dtype) -> Dtype {
    match class {
        Class::Float => float,
        Class::F32 => Dtype::Float32,
        Class::I32 => Dtype::Int32,
        Class::U32 => Dtype::Uint32,
        Class::Bool => Dtype::Bool,
    }
}

/// The lowest finite number of a floating-point type.
pub fn lowest(float: Dtype) -> f32 {
    match float {
        Dtype::Float16 => -65504.0,
        // 255/128 * 2^127.
        Dtype::Bfloat16 => -f32::from_bits(0x7f7f_0000),
        _ => f32::MIN,
    }
}

/// Elements of an input that one row reads.
pub struct Load {
    /// The input.
    pub input: usize,
    /// The place of the first one.
    pub at: At,
    /// Their number.
    pub width: usize,
}

/// A [`Load`].
pub const fn load(input: usize, at: At, width: usize) -> Load {
    Load { input, at, width }
}

/// The place of an element: an offset, and strides of the row's coordinates, of chosen rows and of the column.
pub struct At {
    /// Coordinates of the row with their strides.
    pub rows: &'static [(usize, usize)],
    /// Rows that an index chooses.
    pub chosen: &'static [Chosen],
    /// The stride of the column.
    pub column: usize,
    /// The first element.
    pub offset: usize,
}

/// An [`At`].
pub const fn at(
    rows: &'static [(usize, usize)],
    chosen: &'static [Chosen],
    column: usize,
    offset: usize,
) -> At {
    At {
        rows,
        chosen,
        column,
        offset,
    }
}

/// A row that an index chooses: the first element of a load.
pub struct Chosen {
    /// The load.
    pub load: usize,
    /// The number of rows to choose from.
    pub size: usize,
    /// The stride of a row.
    pub stride: usize,
}

/// An array that a program writes.
pub struct Output {
    /// Its sizes.
    pub shape: &'static [usize],
    /// Its storage.
    pub dtype: Class,
    /// The number of elements that one row writes.
    pub width: usize,
    /// Their place; `None` for a sum over all rows.
    pub at: Option<At>,
}

/// An [`Output`].
pub const fn output(shape: &'static [usize], dtype: Class, width: usize, at: Option<At>) -> Output {
    Output {
        shape,
        dtype,
        width,
        at,
    }
}

/// `count` columns of `whole`, from `start` in steps.
pub struct Cut {
    /// The first one.
    pub start: usize,
    /// Their distance.
    pub step: usize,
    /// Their number.
    pub count: usize,
    /// The number of columns to choose from.
    pub whole: usize,
}

/// A kernel with its gradient.
pub struct Kernel {
    /// The kernel.
    pub forward: Program,
    /// Its first outputs are so many results; numbers per row follow, which it keeps for the gradient.
    pub results: usize,
    /// Its gradient, if one launch can compute it.
    pub gradient: Option<Gradient>,
    /// The same without the gradients that sum over rows, if it has both.
    pub narrow: Option<Gradient>,
    /// True for each input without a gradient.
    pub frozen: &'static [bool],
}

/// The gradient of a kernel.
pub struct Gradient {
    /// The program.
    pub program: Program,
    /// The source of each of its inputs.
    pub inputs: &'static [Source],
    /// For each output, the inputs that it is the gradient of, and axes of the output to add up.
    pub outputs: &'static [(&'static [usize], &'static [i32])],
}

/// The source of a gradient's input.
pub enum Source {
    /// An input of the kernel.
    Input(usize),
    /// The cotangent of an output of the kernel.
    Cotangent(usize),
    /// An output of the kernel.
    Output(usize),
}

/// The largest whole number that every float32 below it is told from: windows of masks are numbers of a call.
const EXACT: i64 = 1 << 24;

/// The sizes of a call; `None` if one is beyond what can be counted, or no array has an element.
pub(super) fn sizes(program: &Program, call: &[i64]) -> Option<Vec<i64>> {
    let sizes: Vec<i64> = program
        .sizes
        .iter()
        .map(|s| size(s, call))
        .collect::<Option<_>>()?;
    let flat = program.flat.is_some();
    let fits = |at: &usize| i32::try_from(sizes[*at]).is_ok_and(|n| n > 0);
    let counted = program.rows.iter().all(fits)
        && program
            .counts
            .iter()
            .all(|at| i32::try_from(sizes[*at]).is_ok())
        && program
            .loads
            .iter()
            .all(|l| fits(&l.width) && (flat || sizes[l.width] <= EXACT))
        && program
            .outputs
            .iter()
            .all(|o| fits(&o.width) && o.shape.iter().all(fits))
        && sizes.iter().all(|n| *n >= 0)
        && program.cuts.iter().all(|c| {
            let [start, step, count, whole] = [c.start, c.step, c.count, c.whole].map(|i| sizes[i]);
            let last = step
                .checked_mul(count - 1)
                .and_then(|n| n.checked_add(start));
            step > 0 && count > 0 && last.is_some_and(|last| last < whole)
        });
    counted.then_some(sizes)
}

/// A size of a call; `None` if it is beyond what can be counted.
pub(super) fn size(terms: Size, call: &[i64]) -> Option<i64> {
    terms.iter().try_fold(0i64, |sum, (c, factors)| {
        let mut of = factors.iter();
        let term = of.try_fold(*c, |t, i| t.checked_mul(*call.get(*i)?))?;
        sum.checked_add(term)
    })
}
