//! Parts of arrays by Python's indices: [`crate::s`], [`Array::index`].
//!
//! Tests: `tests/operations`.

use std::convert::Infallible;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use super::operand::Operand;
use crate::{ops, Array, Error, Result};

/// One entry of an index; [`crate::s`] makes lists of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Index<'a> {
    /// One element of an axis, which goes.
    At(i32),
    /// Some of the elements of an axis: Python's `start:stop:step`.
    Slice {
        /// The first; from the first on if `None`, or from the last on backwards.
        start: Option<i32>,
        /// Before which it ends; at the end if `None`.
        stop: Option<i32>,
        /// Every how many-th; negative steps go backwards.
        step: i32,
    },
    /// A new axis of size 1: Python's `None`.
    NewAxis,
    /// As many whole axes as are not named: Python's `...`.
    Ellipsis,
    /// The elements at these places of an axis.
    Take(&'a Array),
}

/// Elements with a step, by [`crate::s`].
#[doc(hidden)]
pub fn step<'a>(range: impl Stepped<'a>, by: i32) -> Index<'a> {
    match range.into() {
        Index::Slice { start, stop, .. } => Index::Slice {
            start,
            stop,
            step: by,
        },
        other => other,
    }
}

/// Ranges: what can have a step.
#[doc(hidden)]
pub trait Stepped<'a>: Into<Index<'a>> {}

/// An index as in Python, for [`Array::index`]: Rust's ranges, with `; step` where Python has a
/// second colon; numbers; `None`; `...`; and references to arrays of integers. Negative numbers
/// count from the end.
///
/// | Python | here |
/// |---|---|
/// | `a[1:, ::2, None, ...]` | `a.index(s![1.., ..;2, None, ...])` |
/// | `a[-1, :3]` | `a.index(s![-1, ..3])` |
/// | `a[::-1]` | `a.index(s![..;-1])` |
/// | `a[:, rows]` | `a.index(s![.., &rows])` |
///
/// ```
/// use mlx_runtime::{s, Array};
/// let a = Array::from_slice(&[0i32, 1, 2, 3, 4, 5], &[2, 3])?;
/// assert_eq!(a.index(s![.., 1..])?.to_vec::<i32>()?, [1, 2, 4, 5]);
/// assert_eq!(a.index(s![-1, ..;-1])?.to_vec::<i32>()?, [5, 4, 3]);
/// assert_eq!(a.index(s![..., None])?.shape(), [2, 3, 1]);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[macro_export]
macro_rules! s {
    ($($index:tt)*) => { $crate::__index!([] $($index)*) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __index {
    ([]) => { [$crate::Index::Ellipsis] };
    ([$($done:expr,)+]) => { [$($done,)+] };
    ([$($done:expr,)*] ... , $($rest:tt)*) => { $crate::__index!([$($done,)* $crate::Index::Ellipsis,] $($rest)*) };
    ([$($done:expr,)*] ...) => { $crate::__index!([$($done,)* $crate::Index::Ellipsis,]) };
    ([$($done:expr,)*] $e:expr; $step:expr, $($rest:tt)*) => {
        $crate::__index!([$($done,)* {
            #[allow(clippy::reversed_empty_ranges)] // backwards
            let range = $e;
            $crate::__private::step(range, $step)
        },] $($rest)*)
    };
    ([$($done:expr,)*] $e:expr; $step:expr) => { $crate::__index!([$($done,)* {
            #[allow(clippy::reversed_empty_ranges)] // backwards
            let range = $e;
            $crate::__private::step(range, $step)
        },]) };
    ([$($done:expr,)*] $e:expr, $($rest:tt)*) => { $crate::__index!([$($done,)* $crate::Index::from($e),] $($rest)*) };
    ([$($done:expr,)*] $e:expr) => { $crate::__index!([$($done,)* $crate::Index::from($e),]) };
}

impl From<i32> for Index<'_> {
    fn from(at: i32) -> Self {
        Index::At(at)
    }
}

impl From<Option<Infallible>> for Index<'_> {
    fn from(_: Option<Infallible>) -> Self {
        Index::NewAxis
    }
}

impl<'a> From<&'a Array> for Index<'a> {
    fn from(places: &'a Array) -> Self {
        Index::Take(places)
    }
}

/// The index after the last element of a range that includes it.
fn after(last: i32) -> Option<i32> {
    match last {
        -1 => None,
        _ => Some(last.saturating_add(1)),
    }
}

macro_rules! ranges {
    ($($t:ty: $r:ident => $start:expr, $stop:expr;)*) => {$(
        impl<'a> Stepped<'a> for $t {}

        impl From<$t> for Index<'_> {
            fn from($r: $t) -> Self {
                Index::Slice {
                    start: $start,
                    stop: $stop,
                    step: 1,
                }
            }
        }
    )*};
}

ranges! {
    Range<i32>: r => Some(r.start), Some(r.end);
    RangeFrom<i32>: r => Some(r.start), None;
    RangeTo<i32>: r => None, Some(r.end);
    RangeFull: _r => None, None;
    RangeInclusive<i32>: r => Some(*r.start()), after(*r.end());
    RangeToInclusive<i32>: r => None, after(r.end);
}

/// The steps of an index on an array.
struct Plan<'a> {
    start: Vec<i32>,
    stop: Vec<i32>,
    steps: Vec<i32>,
    /// Axes of the slice that go.
    gone: Vec<i32>,
    /// Axes of the result that are new.
    new: Vec<i32>,
    /// An axis of the slice, and places in it.
    take: Option<(i32, &'a Array)>,
}

impl<'a> Plan<'a> {
    fn new(op: &'static str, shape: &[i32], index: &[Index<'a>]) -> Result<Self> {
        let named = |i: &&Index| !matches!(i, Index::NewAxis | Index::Ellipsis);
        let named = index.iter().filter(named).count();
        let dots = |i: &&Index| matches!(i, Index::Ellipsis);
        let dots = index.iter().filter(dots).count();
        if named > shape.len() || dots > 1 {
            return Err(Error::shape(
                op,
                format!("{named} indices and {dots} ellipses for an array of shape {shape:?}"),
            ));
        }
        let mut plan = Plan {
            start: vec![0; shape.len()],
            stop: shape.to_vec(),
            steps: vec![1; shape.len()],
            gone: Vec::new(),
            new: Vec::new(),
            take: None,
        };
        let (mut axis, mut out) = (0, 0);
        for entry in index {
            match *entry {
                Index::NewAxis => {
                    plan.new.push(out);
                    out += 1;
                    continue;
                }
                Index::Ellipsis => {
                    axis += shape.len() - named;
                    out += (shape.len() - named) as i32;
                    continue;
                }
                Index::At(i) => {
                    let n = shape[axis];
                    let at = i64::from(i) + if i < 0 { i64::from(n) } else { 0 };
                    if !(0..i64::from(n)).contains(&at) {
                        return Err(Error::shape(
                            op,
                            format!("index {i} is out of range for axis {axis} of shape {shape:?}"),
                        ));
                    }
                    plan.start[axis] = at as i32;
                    plan.stop[axis] = at as i32 + 1;
                    plan.gone.push(axis as i32);
                }
                Index::Slice { step: 0, .. } => {
                    return Err(Error::invalid(op, "expected a step other than 0"));
                }
                Index::Slice { start, stop, step } => {
                    let n = shape[axis];
                    let found = ops::index::bounds(start, stop, step, n);
                    (plan.start[axis], plan.stop[axis], plan.steps[axis]) = found;
                    out += 1;
                }
                Index::Take(_) if plan.take.is_some() => {
                    return Err(Error::invalid(
                        op,
                        "expected at most one array in an index, found more",
                    )
                    .with_hint("index in two steps, or use `ops::gather`"));
                }
                Index::Take(places) => {
                    plan.take = Some((axis as i32, places));
                    out += places.ndim() as i32;
                }
            }
            axis += 1;
        }
        if plan.take.is_some() && !plan.gone.is_empty() {
            // Python broadcasts the numbers with the array, and may move the axis to the front.
            return Err(
                Error::invalid(op, "an index cannot hold both a number and an array")
                    .with_hint("index in two steps"),
            );
        }
        Ok(plan)
    }

    /// Drops and inserts axes.
    fn shape(&self, a: Array) -> Result<Array> {
        let a = match self.gone.is_empty() {
            true => a,
            false => ops::squeeze(&a, &self.gone)?,
        };
        match self.new.is_empty() {
            true => Ok(a),
            false => ops::expand_dims(&a, &self.new),
        }
    }
}

impl Array {
    /// A part of the array, as Python's `a[..]`; [`crate::s`] writes the index. Slices go beyond the
    /// ends as in Python; an element that is not there is an error.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] if there are more indices than axes, or no such element.
    pub fn index<'a>(&self, index: impl AsRef<[Index<'a>]>) -> Result<Array> {
        crate::array::check_inputs([self])?;
        let plan = Plan::new("index", self.shape(), index.as_ref())?;
        let mut part = ops::slice(self, &plan.start, &plan.stop, &plan.steps)?;
        if let Some((axis, places)) = plan.take {
            part = ops::take(&part, places, axis)?;
        }
        plan.shape(part)
    }

    /// The array with a part of it replaced, as Python's `a[..] = value`; `value` is an array that
    /// broadcasts to the part, or a number. The array itself stays as it is.
    ///
    /// # Errors
    /// As [`Array::index`], if `value` does not broadcast to the part, or the index holds an array.
    pub fn index_update<'a>(
        &self,
        index: impl AsRef<[Index<'a>]>,
        value: impl Operand,
    ) -> Result<Array> {
        crate::array::check_inputs([self])?;
        const OP: &str = "index_update";
        let plan = Plan::new(OP, self.shape(), index.as_ref())?;
        if plan.take.is_some() {
            return Err(
                Error::invalid(OP, "the index of an update cannot hold an array")
                    .with_hint("use `ops::put_along_axis` or `ops::scatter`"),
            );
        }
        // The part tells the shapes, with and without the axes that go and come.
        let part = ops::slice(self, &plan.start, &plan.stop, &plan.steps)?;
        let shape = part.shape().to_vec();
        let shown = plan.shape(part)?;
        value.with(self.dtype(), |value| {
            let value = ops::astype(value, self.dtype())?;
            let value = ops::broadcast_to(&value, shown.shape()).map_err(|e| e.renamed(OP))?;
            let value = ops::reshape(&value, &shape)?;
            ops::slice_update(self, &value, &plan.start, &plan.stop, &plan.steps)
        })
    }
}
