//! Rules of operations that move elements without changing them.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx};
use crate::ops::operands::{list, not_cut};
use crate::syntax::dims::{volume, Dim, Shape};
use crate::syntax::shapes::broadcast;
use crate::syntax::signature::Ty;

/// Any shape to one of the same number of elements; one size may be -1.
pub fn reshape(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    Ok(Ty::Tensor(sizes_of(c, 1, s)?, d))
}

/// The sizes given as argument `at`, which hold as many elements as `s`; one may be -1.
fn sizes_of(c: &Ctx<'_>, at: usize, s: &[Dim]) -> Result<Shape> {
    let mut to: Shape = c.dims(at).to_vec();
    let unknown: Vec<usize> = (0..to.len())
        .filter(|i| to[*i].as_constant().is_some_and(|n| n < 0))
        .collect();
    let from = volume(s);
    match unknown[..] {
        [] => {}
        [i] if to[i].as_constant() == Some(-1) => {
            to[i] = Dim::constant(1);
            to[i] = c.facts.divide_open(&from, &volume(&to)).ok_or_else(|| {
                Diag::reshape_open(c.at(at), c.op.name, c.names.dim(&volume(&to)), c.noun(0))
            })?;
        }
        [_] => return Err(Diag::negative_size(c.at(at), c.op.name)),
        _ => return Err(Diag::reshape_two_open(c.at(at), c.op.name)),
    }
    let into = volume(&to);
    if from == into {
        return Ok(to);
    }

    Err(Diag::reshape_elements(
        c.at(at),
        c.op.name,
        c.noun(0),
        from,
        c.names.shape(&to),
        into,
    ))
}

/// One axis in place of those from `start_axis` to `end_axis`.
pub fn flatten(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    if s.is_empty() {
        return Ok(Ty::Tensor(vec![Dim::constant(1)], d));
    }
    let (start, end) = (c.axis(1, s.len())?, c.axis(2, s.len())?);
    if start > end {
        return Err(Diag::axes_turned(c.at(2), c.op.name, start, end));
    }
    let joined = volume(&s[start..=end]);
    Ok(Ty::Tensor(
        [&s[..start], &[joined], &s[end + 1..]].concat(),
        d,
    ))
}

/// One axis in several; one size may be -1.
pub fn unflatten(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let at = c.axis(1, s.len())?;
    let parts = sizes_of(c, 2, &s[at..=at])?;
    if parts.is_empty() {
        return Err(Diag::unflatten_nothing(c.at(2), c.op.name));
    }
    Ok(Ty::Tensor([&s[..at], &parts, &s[at + 1..]].concat(), d))
}

/// A shape to one it broadcasts to.
pub fn broadcast_to(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let to = c.dims(1).to_vec();
    c.need_sizes(1)?;
    match broadcast(s, &to) {
        Some(out) if out == to => Ok(Ty::Tensor(to, d)),
        _ => Err(Diag::no_broadcast_to(
            c.at(1),
            c.op.name,
            c.noun(0),
            c.names.shape(&to),
        )),
    }
}

/// Axes in a new order; each named once.
pub fn transpose(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let axes = c.axes(1, s.len())?;
    let mut seen = axes.clone();
    seen.sort_unstable();
    if seen != (0..s.len()).collect::<Vec<_>>() {
        return Err(Diag::axes_count(c.at(1), c.op.name, axes.len(), c.noun(0)));
    }
    Ok(Ty::Tensor(axes.iter().map(|a| s[*a].clone()).collect(), d))
}

/// Two axes change places.
pub fn swapaxes(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let (a, b) = (c.axis(1, s.len())?, c.axis(2, s.len())?);
    let mut s = s.clone();
    s.swap(a, b);
    Ok(Ty::Tensor(s, d))
}

/// One axis moves to another place.
pub fn moveaxis(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let (from, to) = (c.axis(1, s.len())?, c.axis(2, s.len())?);
    let mut s = s.clone();
    let moved = s.remove(from);
    s.insert(to, moved);
    Ok(Ty::Tensor(s, d))
}

/// A new axis of size 1.
pub fn expand_dims(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let at = c.axis(1, s.len() + 1)?;
    let mut s = s.clone();
    s.insert(at, Dim::constant(1));
    Ok(Ty::Tensor(s, d))
}

/// An axis of size 1 goes.
pub fn squeeze(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let at = c.axis(1, s.len())?;
    if !s[at].is_one() {
        return Err(Diag::axis_not_one(
            c.at(1),
            c.op.name,
            at,
            c.names.dim(&s[at]),
            c.describe(0),
        ));
    }
    let mut s = s.clone();
    s.remove(at);
    Ok(Ty::Tensor(s, d))
}

/// Arrays of equal shape but for one axis, where sizes add up.
pub fn concatenate(c: &Ctx<'_>) -> Result<Ty> {
    let (first, dtype, rest) = list(c)?;
    let at = c.axis(1, first.len())?;
    let mut out = first.clone();
    for (s, _) in rest {
        let fits = s.len() == first.len() && (0..s.len()).all(|i| i == at || s[i] == first[i]);
        if !fits {
            return Err(Diag::joined_shapes(c.at(0), c.op.name, at, c.describe(0)));
        }
        out[at] = out[at].plus(&s[at]);
    }
    Ok(Ty::Tensor(out, dtype))
}

/// Arrays of equal shape along a new axis.
pub fn stack(c: &Ctx<'_>) -> Result<Ty> {
    let (first, dtype, rest) = list(c)?;
    let at = c.axis(1, first.len() + 1)?;
    if rest.iter().any(|(s, _)| *s != first) {
        return Err(Diag::stacked_shapes(c.at(0), c.op.name, c.describe(0)));
    }
    let mut out = first.clone();
    out.insert(at, Dim::constant(rest.len() as i64 + 1));
    Ok(Ty::Tensor(out, dtype))
}

/// One axis in equal parts, or in parts of the sizes given, as a tuple.
pub fn split(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    if let Arg::Dims(sizes) = &c.args[1] {
        return split_sizes(c, sizes);
    }
    let Arg::Int(parts @ 1..=64) = c.args[1] else {
        return Err(Diag::parts_count(c.at(1), c.op.name));
    };
    let at = c.axis(2, s.len())?;
    let part = c.divide(&s[at], &Dim::constant(parts)).ok_or_else(|| {
        Diag::parts_unknown(c.at(1), c.op.name, parts, c.names.dim(&s[at]), c.noun(0))
    })?;
    let mut one = s.clone();
    one[at] = part;
    Ok(Ty::Tuple(vec![Ty::Tensor(one, d); parts as usize]))
}

fn split_sizes(c: &Ctx<'_>, sizes: &[Dim]) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let at = c.axis(2, s.len())?;
    let negative = |x: &Dim| c.negative(x);
    let sum = sizes.iter().fold(Dim::constant(0), |sum, x| sum.plus(x));
    if sizes.is_empty() || sizes.iter().any(negative) || sum != s[at] {
        return Err(Diag::parts_sum(
            c.at(1),
            c.op.name,
            c.names.dim(&sum),
            at,
            c.names.dim(&s[at]),
            c.describe(0),
        ));
    }
    sizes.iter().try_for_each(|d| c.need_size(1, d))?;
    let part = |size: &Dim| {
        let mut one = s.clone();
        one[at] = size.clone();
        Ty::Tensor(one, d)
    };
    Ok(Ty::Tuple(sizes.iter().map(part).collect()))
}

/// A part of some axes (all unless named): from `start` to before `stop` in steps; a negative
/// number counts from the end.
pub fn slice(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let axes = c.axes(4, s.len())?;
    let (start, stop) = (c.dims(1), c.dims(2));
    let steps = match c.dims(3) {
        [one] => vec![one.clone(); axes.len()],
        all => all.to_vec(),
    };
    if [start.len(), stop.len(), steps.len()] != [axes.len(); 3] {
        return Err(Diag::slice_count(c.at(1), c.op.name, axes.len(), c.noun(0)));
    }
    let mut out = s.clone();
    for (i, at) in axes.into_iter().enumerate() {
        let size = &s[at];
        let place = |d: &Dim| match d.as_constant() {
            Some(n) if n < 0 => size.plus(d),
            _ => d.clone(),
        };
        let (from, to) = (place(&start[i]), place(&stop[i]));
        let below = |x: &Dim, y: &Dim| y.plus(&x.negated()).as_constant().is_some_and(|n| n < 0);
        let zero = Dim::constant(0);
        if below(&from, &to) || below(&to, size) || below(&zero, &from) {
            return Err(Diag::slice_outside(
                c.at(2),
                c.op.name,
                c.names.dim(&start[i]),
                c.names.dim(&stop[i]),
                at,
                c.noun(0),
            ));
        }
        let low = start[i].negated();
        if start[i].as_constant().is_some_and(|n| n < 0) {
            c.need_at_most(1, &low, size)?;
        }
        c.need_size(1, &from)?;
        c.need_at_most(2, &from, &to)?;
        c.need_at_most(2, &to, size)?;
        let step = &steps[i];
        if step.as_constant().is_some_and(|n| n < 1) {
            return Err(Diag::slice_stride(c.at(3), c.op.name));
        }
        // The last step may be cut short: the quotient rounded up.
        let length = to.plus(&from.negated());
        let up = length.plus(step).plus(&Dim::constant(-1));
        out[at] = c.floor_div(&up, step).ok_or_else(|| {
            Diag::steps_unknown(c.at(3), c.op.name, c.names.dim(step), c.names.dim(&length))
        })?;
    }
    Ok(Ty::Tensor(out, d))
}

/// The whole tensor several times along each axis.
pub fn tile(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let reps = c.dims(1);
    c.need_sizes(1)?;
    let rank = s.len().max(reps.len());
    let one = Dim::constant(1);
    let at = |list: &[Dim], i: usize| {
        let place = (i + list.len()).checked_sub(rank);
        place.map_or_else(|| one.clone(), |j| list[j].clone())
    };
    let sizes = (0..rank).map(|i| at(s, i).times(&at(reps, i)));
    Ok(Ty::Tensor(sizes.collect(), d))
}

/// Each element several times along one axis.
pub fn repeat(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let at = c.axis(2, s.len())?;
    c.need_sizes(1)?;
    let mut s = s.clone();
    s[at] = s[at].times(c.size(1)?);
    Ok(Ty::Tensor(s, d))
}

/// Each axis grows by a pair of sizes, before and after.
pub fn pad(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let widths = c.dims(1);
    c.need_sizes(1)?;
    not_cut(c, 2, d)?;
    if widths.len() != 2 * s.len() {
        return Err(Diag::pad_pairs(
            c.at(1),
            c.op.name,
            widths.len() / 2,
            c.noun(0),
        ));
    }
    let grown = s.iter().zip(widths.chunks(2));
    let grown = grown.map(|(d, w)| w.iter().fold(d.clone(), |d, w| d.plus(w)));
    Ok(Ty::Tensor(grown.collect(), d))
}

/// The last two axes, with one side of a diagonal set to zero.
pub fn triangle(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    match s.len() {
        0 | 1 => Err(Diag::needs_two_dims(c.at(0), c.op.name, c.describe(0))),
        _ => Ok(Ty::Tensor(s.clone(), d)),
    }
}
