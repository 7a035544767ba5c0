//! Rules of reductions and scans.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx};
use crate::ops::operands::{need_float, promote, reduced};
use crate::syntax::dims::{volume, Dim};
use crate::syntax::signature::{Dt, Ty};

/// Axes that go, or become 1 with `keepdims`; all of them when none is named.
pub fn reduce(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    if matches!(c.op.name, "mean" | "logsumexp" | "var" | "std" | "median") {
        need_float(c, 0, d)?;
    }
    let axes = c.axes(1, s.len())?;
    let ddof = c.place("ddof");
    if let Some(Arg::Int(n @ 1..)) = c.args.get(ddof) {
        // None is left to divide by.
        let values: Vec<Dim> = axes.iter().map(|a| s[*a].clone()).collect();
        c.need_at_most(ddof, &Dim::constant(n + 1), &volume(&values))?;
    }
    // MLX counts what is true, but has nothing to do for a scalar.
    let d = match (d, c.op.name) {
        (Dt::Bool, "sum" | "prod") if !s.is_empty() => Dt::I32,
        (_, "all" | "any") => Dt::Bool,
        _ => d,
    };
    Ok(Ty::Tensor(reduced(s, &axes, c.keepdims(2)), d))
}

/// The index along one axis, as uint32.
pub fn arg_reduce(c: &Ctx<'_>) -> Result<Ty> {
    let (s, _) = c.tensor(0)?;
    let at = c.axis(1, s.len())?;
    Ok(Ty::Tensor(reduced(s, &[at], c.keepdims(2)), Dt::U32))
}

/// `[..] -> [..]`, normalised over the axes.
pub fn softmax(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    c.axes(1, s.len())?;
    need_float(c, 0, d)?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// `[..] -> [..]` along one axis, floating point.
pub fn along(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    c.axis(1, s.len())?;
    need_float(c, 0, d)?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// `[..] -> [..]`: each element with those before it along one axis.
pub fn scan(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    c.axis(1, s.len())?;
    match (d, c.op.name) {
        (_, "logcumsumexp") => need_float(c, 0, d)?,
        (Dt::Bool, _) => return Err(Diag::needs_numbers(c.at(0), c.op.name, c.describe(0))),
        _ => {}
    }
    Ok(Ty::Tensor(s.clone(), d))
}

/// One half of an axis times the sigmoid of the other.
pub fn glu(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    let at = c.axis(1, s.len())?;
    let half = c
        .divide(&s[at], &crate::syntax::dims::Dim::constant(2))
        .ok_or_else(|| Diag::no_halves(c.at(0), c.op.name, c.names.dim(&s[at]), c.noun(0)))?;
    let mut s = s.clone();
    s[at] = half;
    Ok(Ty::Tensor(s, d))
}

/// `x [.., D]` and, where they are given, `weight [D]` and `bias [D]` -> `[.., D]`.
pub fn norm(c: &Ctx<'_>) -> Result<Ty> {
    let (x, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    if x.is_empty() {
        return Err(Diag::needs_a_dim(c.at(0), c.op.name, c.describe(0)));
    }
    for i in [c.place("weight"), c.place("bias")] {
        if i >= c.args.len() {
            continue;
        }
        let Some((w, dw)) = c.optional(i)? else {
            continue;
        };
        promote(c, 0, i, d, dw)?;
        if w.len() != 1 || x.last() != w.first() {
            return Err(Diag::norm_weight(
                c.at(i),
                c.op.name,
                c.op.params[i].0,
                c.describe(0),
                c.describe(i),
            ));
        }
    }
    Ok(Ty::Tensor(x.clone(), d))
}
