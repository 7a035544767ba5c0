//! Rules of elementwise operations: shapes stay, or broadcast.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx};
use crate::ops::operands::{need_float, need_whole, operands, promote};
use crate::syntax::shapes::broadcast;
use crate::syntax::signature::{Dt, Ty};

/// `[..] -> [..]`, any dtype.
pub fn same(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// `[..] -> [..]`, anything but bool.
pub fn negative(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    match d {
        Dt::Bool => Err(Diag::bool_sign(c.at(0), c.op.name, c.describe(0))),
        _ => Ok(Ty::Tensor(s.clone(), d)),
    }
}

/// `[..] -> [..]`, anything but bool.
pub fn number(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    match d {
        Dt::Bool => Err(Diag::needs_numbers(c.at(0), c.op.name, c.describe(0))),
        _ => Ok(Ty::Tensor(s.clone(), d)),
    }
}

/// `[..] -> [..]`, floating point.
pub fn float(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// `[..]` of floating point `-> [..]` of bool.
pub fn test(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    Ok(Ty::Tensor(s.clone(), Dt::Bool))
}

/// `[..] -> [..]`, whole numbers or bool.
pub fn bits(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    need_whole(c, 0, d)?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// `[..] of bool -> [..] of bool`.
pub fn not(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    match d {
        Dt::Bool => Ok(Ty::Tensor(s.clone(), d)),
        _ => Err(Diag::needs_bool(c.at(0), c.op.name, c.describe(0))),
    }
}

/// Two values of one shape, floating point.
pub fn swiglu(c: &Ctx<'_>) -> Result<Ty> {
    let ((a, da), (b, db)) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = promote(c, 0, 1, da, db)?;
    need_float(c, 0, dtype)?;
    match a == b {
        true => Ok(Ty::Tensor(a.clone(), dtype)),
        false => Err(Diag::shapes_differ(
            c.at(1),
            c.op.name,
            c.describe(0),
            c.describe(1),
        )),
    }
}

/// `x [..]` and a slope that broadcasts to it, floating point.
pub fn prelu(c: &Ctx<'_>) -> Result<Ty> {
    let ((x, d), (a, da)) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = promote(c, 0, 1, d, da)?;
    need_float(c, 0, dtype)?;
    match broadcast(x, a) {
        Some(out) => Ok(Ty::Tensor(out, dtype)),
        None => Err(Diag::no_broadcast(
            c.span,
            c.op.name,
            c.describe(0),
            c.describe(1),
        )),
    }
}

/// Two shapes that broadcast to one; dtypes equal, or one a number or bool.
pub fn binary(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, dtype) = operands(c, 0, 1)?;
    Ok(Ty::Tensor(shape, dtype))
}

/// As `binary`; whole numbers would become floating point, so they are refused.
pub fn divide(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, dtype) = operands(c, 0, 1)?;
    need_float(c, 0, dtype)?;
    Ok(Ty::Tensor(shape, dtype))
}

/// As `binary`, but not of two bools.
pub fn whole(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, dtype) = operands(c, 0, 1)?;
    match dtype {
        Dt::Bool => Err(Diag::needs_numbers(c.at(0), c.op.name, c.describe(0))),
        _ => Ok(Ty::Tensor(shape, dtype)),
    }
}

/// Two shapes that broadcast to one of bool.
pub fn compare(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, _) = operands(c, 0, 1)?;
    Ok(Ty::Tensor(shape, Dt::Bool))
}

/// Two shapes of bool that broadcast to one of bool.
pub fn logical(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, _) = operands(c, 0, 1)?;
    for i in [0, 1] {
        if c.tensor(i)?.1 != Dt::Bool {
            return Err(Diag::needs_bool(c.at(i), c.op.name, c.describe(i)));
        }
    }
    Ok(Ty::Tensor(shape, Dt::Bool))
}

/// Two shapes that broadcast, whole numbers or bool.
pub fn bitwise(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, dtype) = operands(c, 0, 1)?;
    need_whole(c, 0, dtype)?;
    Ok(Ty::Tensor(shape, dtype))
}

/// Two shapes that broadcast, whole numbers.
pub fn shift(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, dtype) = operands(c, 0, 1)?;
    match dtype {
        Dt::I32 | Dt::U32 => Ok(Ty::Tensor(shape, dtype)),
        _ => Err(Diag::needs_whole(c.at(0), c.op.name, c.describe(0))),
    }
}

/// `condition` of bool, and two values; all three broadcast.
pub fn where_(c: &Ctx<'_>) -> Result<Ty> {
    let (cond, d) = c.tensor(0)?;
    if d != Dt::Bool {
        return Err(Diag::condition_dtype(c.at(0), c.op.name, c.describe(0)));
    }
    let (shape, dtype) = operands(c, 1, 2)?;
    let shape = broadcast(cond, &shape).ok_or_else(|| {
        Diag::no_broadcast_with(c.span, c.op.name, c.noun(0), c.names.shape(&shape))
    })?;
    Ok(Ty::Tensor(shape, dtype))
}

/// A value and one or two limits, which broadcast.
pub fn clip(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let (mut shape, mut dtype) = (s.clone(), d);
    let limits = [1, 2]
        .into_iter()
        .filter(|i| !matches!(c.args[*i], Arg::Absent));
    for i in limits.clone() {
        let (s, d) = operands(c, 0, i)?;
        dtype = promote(c, 0, i, dtype, d)?;
        shape = broadcast(&shape, &s)
            .ok_or_else(|| Diag::limits_broadcast(c.at(i), c.op.name, c.noun(i)))?;
    }
    match limits.count() {
        0 => Err(Diag::no_limit(c.span, c.op.name)),
        _ => Ok(Ty::Tensor(shape, dtype)),
    }
}

/// The same shape in another dtype.
pub fn astype(c: &Ctx<'_>) -> Result<Ty> {
    let (s, _) = c.tensor(0)?;
    match c.args[1] {
        Arg::Dtype(d) => Ok(Ty::Tensor(s.clone(), d)),
        _ => Err(Diag::expected_dtype(c.at(1), "")),
    }
}
