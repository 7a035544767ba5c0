//! Helpers of the rules of operations: broadcasting, dtypes of two operands, lists.

use proc_macro2::Span;
use syn::Expr;

use crate::check::arguments::{integer, whole_literal};
use crate::diag::{Diag, Result};
use crate::ir::Arg;
use crate::ops::Ctx;
use crate::syntax::dims::{is_free, Dim, Names, Shape};
use crate::syntax::logic::Facts;
use crate::syntax::signature::Dt;

/// The shape two shapes broadcast to.
pub(crate) fn broadcast(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let one = Dim::constant(1);
    let at = |s: &Shape, i: usize| {
        (i + s.len())
            .checked_sub(rank)
            .map_or(one.clone(), |j| s[j].clone())
    };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y || y.is_one() => Some(x),
            (x, y) if x.is_one() => Some(y),
            _ => None,
        })
        .collect()
}

/// Refuses whole numbers.
pub(crate) fn need_float(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    match d {
        Dt::Float | Dt::F32 => Ok(()),
        _ => Err(Diag::needs_float(c.at(i), c.op.name, c.describe(i))),
    }
}

/// Refuses floating point.
pub(crate) fn need_whole(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    match d {
        Dt::I32 | Dt::U32 | Dt::Bool => Ok(()),
        _ => Err(Diag::needs_bits(c.at(i), c.op.name, c.describe(i))),
    }
}

pub(crate) fn need_index(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    match d {
        Dt::I32 | Dt::U32 => Ok(()),
        _ => Err(Diag::indices_dtype(c.at(i), c.op.name, c.describe(i))),
    }
}

pub(crate) fn reduced(s: &Shape, axes: &[usize], keep: bool) -> Shape {
    let one = Dim::constant(1);
    let kept = s
        .iter()
        .enumerate()
        .filter(|(i, _)| keep || !axes.contains(i));
    kept.map(|(i, d)| {
        if axes.contains(&i) {
            one.clone()
        } else {
            d.clone()
        }
    })
    .collect()
}

pub(crate) type Typed<'a> = (&'a Shape, Dt);

pub(crate) fn list<'a>(c: &'a Ctx<'_>) -> Result<(&'a Shape, Dt, Vec<Typed<'a>>)> {
    list_at(c, 0)
}

/// The tensors given as argument `at`, which have one dtype: the first one's shape, the dtype, the
/// others.
pub(crate) fn list_at<'a>(c: &'a Ctx<'_>, at: usize) -> Result<(&'a Shape, Dt, Vec<Typed<'a>>)> {
    let none = || Diag::expected_tensors(c.at(at));
    let Arg::Values(ids) = &c.args[at] else {
        return Err(none());
    };
    let all: Option<Vec<Typed<'_>>> = ids.iter().map(|id| c.ty(*id)).collect();
    let mut all = all.ok_or_else(none)?;
    if all.is_empty() {
        return Err(none());
    }
    let (first, dtype) = all.remove(0);
    if all.iter().any(|(_, d)| *d != dtype) {
        return Err(Diag::dtypes_of_list(c.at(at), c.op.name, c.describe(at)));
    }
    Ok((first, dtype, all))
}

/// The dtype of two operands together; what MLX would silently widen is refused.
pub(crate) fn promote(c: &Ctx<'_>, i: usize, j: usize, a: Dt, b: Dt) -> Result<Dt> {
    match (a, b) {
        _ if a == b => Ok(a),
        (Dt::Bool, d) | (d, Dt::Bool) => Ok(d),
        _ => {
            let why = match (a, b) {
                (Dt::Float, Dt::F32) | (Dt::F32, Dt::Float) => {
                    ", which would make 16-bit activations float32"
                }
                _ => "",
            };

            Err(Diag::dtypes_meet(
                c.span,
                c.op.name,
                a.name(),
                b.name(),
                why,
                c.describe(i),
                c.describe(j),
            ))
        }
    }
}

/// Refuses a literal that a whole dtype has no place for; `since` says why it is that dtype.
pub(crate) fn in_range(
    c: &Ctx<'_>,
    i: usize,
    e: &Expr,
    d: Dt,
    since: impl std::fmt::Display,
) -> Result<()> {
    let range = match d {
        Dt::I32 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        Dt::U32 => 0..=i64::from(u32::MAX),
        _ => return Ok(()),
    };
    let fits = integer(e).is_some_and(|n| range.contains(&n));
    match whole_literal(e) && !fits {
        true => Err(Diag::number_beyond(c.at(i), c.op.name, d.name(), since)),
        false => Ok(()),
    }
}

/// As [`in_range`], where any other number would be cut.
pub(crate) fn not_cut(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    let Arg::Scalar(e) = &c.args[i] else {
        return Ok(());
    };
    let since = "that is the dtype of the result";
    let zero = matches!(e, Expr::Lit(l) if matches!(&l.lit, syn::Lit::Float(f) if f.base10_parse::<f64>().is_ok_and(|x| x == 0.0)));
    match d {
        Dt::Float | Dt::F32 => Ok(()),
        _ if whole_literal(e) => in_range(c, i, e, d, since),
        // The default of `pad`.
        _ if zero => Ok(()),
        _ => Err(Diag::number_cut(c.at(i), c.op.name, d.name(), since)),
    }
}

/// Shape and dtype of two operands, either of which may be a number.
pub(crate) fn operands(c: &Ctx<'_>, i: usize, j: usize) -> Result<(Shape, Dt)> {
    let weak = |k: usize| matches!(c.args[k], Arg::Weak { .. });
    if weak(i) || weak(j) {
        let (number, tensor) = if weak(i) { (i, j) } else { (j, i) };
        let (s, d) = c.tensor(tensor)?;
        if let Arg::Weak { expr, .. } = &c.args[number] {
            in_range(c, number, expr, d, c.describe(tensor))?;
        }
        let whole = matches!(&c.args[number], Arg::Weak { expr, .. } if crate::check::arguments::whole(expr));
        if d == Dt::Bool || (matches!(d, Dt::I32 | Dt::U32) && !whole) {
            return Err(Diag::number_cut(
                c.at(number),
                c.op.name,
                d.name(),
                c.describe(tensor),
            ));
        }
        return Ok((s.clone(), d));
    }
    let ((a, da), (b, db)) = (c.tensor(i)?, c.tensor(j)?);
    let dtype = promote(c, i, j, da, db)?;
    let shape = broadcast(a, b)
        .ok_or_else(|| Diag::no_broadcast(c.span, c.op.name, c.describe(i), c.describe(j)))?;
    Ok((shape, dtype))
}

/// The quotient of two sizes rounded down, where it is known.
pub(crate) fn floor_div(names: &Names, a: &Dim, b: &Dim) -> Option<Dim> {
    if let Some(exact) = names.divide(a, b) {
        return Some(exact);
    }
    // A number is cut off; all else must divide.
    let by = b.as_constant().filter(|n| *n > 0)?;
    let numbers = a.terms().filter(|(n, _)| n.is_empty());
    let number: i64 = numbers.map(|(_, c)| c).sum();
    let whole = names.divide(&a.plus(&Dim::constant(-number)), b)?;
    Some(whole.plus(&Dim::constant(number.div_euclid(by))))
}

/// A window that slides along one axis.
pub(crate) struct Window<'a> {
    pub size: &'a Dim,
    pub kernel: &'a Dim,
    pub stride: &'a Dim,
    pub padding: &'a Dim,
    pub dilation: &'a Dim,
}

/// Why a window has no known number of places.
pub(crate) enum NoPlace {
    /// A number is out of its range.
    Steps,
    /// The stride and what it does not divide.
    Stride(String, String),
    /// The kernel and the size that it is too large for.
    Kernel(String, String),
    /// The kernel, and the size that it may be too large for.
    Bound(String, String),
}

impl NoPlace {
    /// The mistake of an operation or layer called `name`, of which `found` is the input.
    pub fn mistake(self, at: Span, name: &str, found: String) -> Diag {
        match self {
            NoPlace::Steps => Diag::window_steps(at, name, found),
            NoPlace::Stride(stride, size) => Diag::window_stride(at, name, stride, size, found),
            NoPlace::Kernel(kernel, size) => Diag::window_too_large(at, name, kernel, size, found),
            NoPlace::Bound(reach, size) => Diag::place_unknown(at, name, reach, size, found),
        }
    }
}

impl Window<'_> {
    /// The number of its places:
    /// `(size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1`.
    pub fn places(&self, names: &Names, facts: &Facts) -> std::result::Result<Dim, NoPlace> {
        let below = |d: &Dim, least: i64| d.as_constant().is_some_and(|n| n < least);
        let steps = [self.kernel, self.stride, self.dilation];
        if steps.into_iter().any(|d| below(d, 1)) || below(self.padding, 0) {
            return Err(NoPlace::Steps);
        }
        let one = Dim::constant(1);
        let reach = self.dilation.times(&self.kernel.plus(&one.negated()));
        let reach = reach.plus(&one);
        let padded = self.size.plus(&self.padding.times(&Dim::constant(2)));
        let free = padded.plus(&reach.negated());
        // As one quotient: the last summand is as much as one stride more.
        let places = floor_div(names, &free.plus(self.stride), self.stride)
            .ok_or_else(|| NoPlace::Stride(names.dim(self.stride), names.dim(&free)))?;
        if below(&free, 0) || below(&places, 1) {
            return Err(NoPlace::Kernel(
                names.dim(self.kernel),
                names.dim(self.size),
            ));
        }
        // One place or more is the same as a kernel that fits.
        match bounded(facts, &one, &places) || bounded(facts, &reach, &padded) {
            true => Ok(places),
            false => Err(NoPlace::Bound(names.dim(&reach), names.dim(&padded))),
        }
    }
}

/// True if a size is known to be no more than another; what a call binds is left to the call.
pub(crate) fn bounded(facts: &Facts, a: &Dim, b: &Dim) -> bool {
    let open = |n: &&str| is_free(n) || n.ends_with('\'');
    a.names().iter().chain(&b.names()).any(open) || facts.at_most(a, b)
}
