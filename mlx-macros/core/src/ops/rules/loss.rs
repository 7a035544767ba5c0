//! Rules of losses: one value for each place, or their mean or sum.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx, P};
use crate::ops::operands::{need_float, need_index, promote};
use crate::syntax::dims::Shape;
use crate::syntax::signature::{Dt, Ty};

/// The shape of a loss after its reduction.
fn finish(c: &Ctx<'_>, values: Shape, dtype: Dt) -> Result<Ty> {
    match c.args.last() {
        Some(Arg::Text(word)) if word == "none" => Ok(Ty::Tensor(values, dtype)),
        _ => Ok(Ty::Tensor(vec![], dtype)),
    }
}

/// All tensors have one shape, floating point.
fn equal(c: &Ctx<'_>) -> Result<(Shape, Dt)> {
    let (first, dtype) = c.tensor(0)?;
    need_float(c, 0, dtype)?;
    for (i, (_, kind)) in c.op.params.iter().enumerate().skip(1) {
        if !matches!(kind, P::Tensor | P::OptTensor) {
            continue;
        }
        let Some((s, d)) = c.optional(i)? else {
            continue;
        };
        promote(c, 0, i, dtype, d)?;
        need_float(c, i, d)?;
        if s != first {
            return Err(Diag::shapes_differ(
                c.at(i),
                c.op.name,
                c.describe(0),
                c.describe(i),
            ));
        }
    }
    Ok((first.clone(), dtype))
}

/// Equal shapes `[..] -> [..]`, or a scalar for a mean or sum.
pub fn loss(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, dtype) = equal(c)?;
    finish(c, shape, dtype)
}

/// Equal shapes, of which one axis goes.
pub fn axis_loss(c: &Ctx<'_>) -> Result<Ty> {
    let (mut shape, dtype) = equal(c)?;
    shape.remove(c.axis(2, shape.len())?);
    finish(c, shape, dtype)
}

/// `inputs [.., V]`, `targets [..]` of indices -> `[..]`; V may be another axis.
pub fn nll_loss(c: &Ctx<'_>) -> Result<Ty> {
    let (_, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    need_index(c, 1, c.tensor(1)?.1)?;
    finish(c, rows(c, 2)?, d)
}

/// The shape of `targets`, which is the first argument's without the axis given as argument `i`.
fn rows(c: &Ctx<'_>, i: usize) -> Result<Shape> {
    let ((x, _), (t, _)) = (c.tensor(0)?, c.tensor(1)?);
    let mut rows = x.clone();
    rows.remove(c.axis(i, x.len())?);
    if *t == rows {
        return Ok(rows);
    }

    Err(Diag::targets_shape(
        c.at(1),
        c.op.name,
        c.op.params[0].0,
        c.describe(0),
        c.describe(1),
    ))
}

/// `logits [.., V]`, `targets [..]` of indices or `[.., V]` of probabilities -> `[..] of f32`.
pub fn cross_entropy(c: &Ctx<'_>) -> Result<Ty> {
    let ((x, d), (t, dt)) = (c.tensor(0)?, c.tensor(1)?);
    need_float(c, 0, d)?;
    let rows = match matches!(dt, Dt::Float | Dt::F32) && t == x {
        true => {
            promote(c, 0, 1, d, dt)?;
            let mut rows = x.clone();
            rows.remove(c.axis(3, x.len())?);
            rows
        }
        false => {
            need_index(c, 1, dt)?;
            rows(c, 3)?
        }
    };
    if let Some((w, dw)) = c.optional(2)? {
        need_float(c, 2, dw)?;
        if *w != rows {
            return Err(Diag::weights_shape(
                c.at(2),
                c.op.name,
                c.describe(1),
                c.describe(2),
            ));
        }
    }
    finish(c, rows, Dt::F32)
}
