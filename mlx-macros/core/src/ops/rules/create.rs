//! Rules of operations that create tensors.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx};
use crate::ops::operands::not_cut;
use crate::syntax::dims::Dim;
use crate::syntax::signature::{Dt, Ty};

fn dtype(c: &Ctx<'_>, i: usize) -> Result<Dt> {
    match c.args[i] {
        Arg::Dtype(d) => Ok(d),
        _ => Err(Diag::expected_dtype(c.at(i), "")),
    }
}

fn sized(c: &Ctx<'_>, i: usize, shape: Vec<Dim>, d: Dt) -> Result<Ty> {
    shape.iter().try_for_each(|size| c.need_size(i, size))?;
    Ok(Ty::Tensor(shape, d))
}

/// The sizes given.
pub fn filled(c: &Ctx<'_>) -> Result<Ty> {
    sized(c, 0, c.dims(0).to_vec(), dtype(c, 1)?)
}

/// The sizes given.
pub fn full(c: &Ctx<'_>) -> Result<Ty> {
    let d = dtype(c, 2)?;
    not_cut(c, 1, d)?;
    sized(c, 0, c.dims(0).to_vec(), d)
}

/// `[(stop - start) / step]`, rounded up; one size alone is `stop`.
pub fn arange(c: &Ctx<'_>) -> Result<Ty> {
    let d = dtype(c, 3)?;
    let zero = Dim::constant(0);
    let (start, stop) = match c.args[1] {
        Arg::Absent => (&zero, c.size(0)?),
        _ => (c.size(0)?, c.size(1)?),
    };
    let step = c.size(2)?;
    let length = stop.plus(&start.negated());
    // Rounded up, which a step backwards turns round.
    let (length, step) = match step.as_constant() {
        Some(n) if n < 0 => (length.negated(), step.negated()),
        _ => (length, step.clone()),
    };
    if step.as_constant() == Some(0) || d == Dt::Bool {
        return Err(Diag::arange_step(c.span, c.op.name));
    }
    let up = length.plus(&step).plus(&Dim::constant(-1));
    let places = c.floor_div(&up, &step).ok_or_else(|| {
        Diag::steps_unknown(c.at(2), c.op.name, c.names.dim(&step), c.names.dim(&length))
    })?;
    sized(c, 1, vec![places], d)
}

/// `[num]`.
pub fn linspace(c: &Ctx<'_>) -> Result<Ty> {
    match dtype(c, 3)? {
        d @ (Dt::Float | Dt::F32) => sized(c, 2, vec![c.size(2)?.clone()], d),
        _ => Err(Diag::linspace_dtype(c.at(3), c.op.name)),
    }
}

/// Shape and dtype of random numbers; the shape is argument `i`, and the key the one after it.
fn random(c: &Ctx<'_>, i: usize, d: Dt) -> Result<Ty> {
    let (key, kd) = c.tensor(i + 1)?;
    match (&key[..], kd) {
        ([two], Dt::U32) if two.as_constant() == Some(2) => sized(c, i, c.dims(i).to_vec(), d),
        _ => Err(Diag::random_key(c.at(i + 1), c.op.name, c.describe(i + 1))),
    }
}

/// The sizes given, uint32.
pub fn random_bits(c: &Ctx<'_>) -> Result<Ty> {
    random(c, 0, Dt::U32)
}

/// The sizes given, bool.
pub fn bernoulli(c: &Ctx<'_>) -> Result<Ty> {
    random(c, 1, Dt::Bool)
}

/// The sizes given, float32.
pub fn uniform(c: &Ctx<'_>) -> Result<Ty> {
    random(c, 2, Dt::F32)
}

/// `[n, m]`, or `[n, n]`.
pub fn eye(c: &Ctx<'_>) -> Result<Ty> {
    let n = c.size(0)?;
    let m = match c.args[1] {
        Arg::Absent => n,
        _ => c.size(1)?,
    };
    sized(c, 0, vec![n.clone(), m.clone()], dtype(c, 3)?)
}
