//! Rules of operations that pick and order elements.

use crate::diag::{Diag, Result};
use crate::ir::Arg;
use crate::operands::{broadcast, need_index, promote};
use crate::ops::Ctx;
use crate::signature::{Dt, Ty};

/// An axis replaced by the shape of the indices.
pub fn take(c: &Ctx<'_>) -> Result<Ty> {
    let ((s, d), (ix, di)) = (c.tensor(0)?, c.tensor(1)?);
    need_index(c, 1, di)?;
    let at = c.axis(2, s.len())?;
    Ok(Ty::Tensor([&s[..at], ix, &s[at + 1..]].concat(), d))
}

/// One element per index along an axis; the other dims broadcast.
pub fn take_along_axis(c: &Ctx<'_>) -> Result<Ty> {
    let ((s, d), (ix, di)) = (c.tensor(0)?, c.tensor(1)?);
    need_index(c, 1, di)?;
    let at = c.axis(2, s.len())?;
    let fits =
        s.len() == ix.len() && (0..s.len()).all(|i| i == at || s[i] == ix[i] || ix[i].is_one());
    if !fits {
        return Err(Diag::indices_shape(
            c.at(1),
            c.op.name,
            at,
            c.describe(0),
            c.describe(1),
        ));
    }
    let mut out = s.clone();
    out[at] = ix[at].clone();
    Ok(Ty::Tensor(out, d))
}

/// Elements along an axis replaced by values that broadcast to the indices.
pub fn put_along_axis(c: &Ctx<'_>) -> Result<Ty> {
    let ((s, d), (ix, di), (v, dv)) = (c.tensor(0)?, c.tensor(1)?, c.tensor(2)?);
    need_index(c, 1, di)?;
    promote(c, 0, 2, d, dv)?;
    let at = c.axis(3, s.len())?;
    let fits = s.len() == ix.len() && (0..s.len()).all(|i| i == at || s[i] == ix[i]);
    if !fits {
        return Err(Diag::indices_shape(
            c.at(1),
            c.op.name,
            at,
            c.describe(0),
            c.describe(1),
        ));
    }
    if broadcast(v, ix).as_ref() != Some(ix) {
        return Err(Diag::no_broadcast_to(
            c.at(2),
            c.op.name,
            c.noun(2),
            c.names.shape(ix),
        ));
    }
    Ok(Ty::Tensor(s.clone(), d))
}

/// `[..] -> [..]` along one axis, any dtype.
pub fn along_any(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let at = c.axis(c.place("axis"), s.len())?;
    kth(c, at)?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// Indices along one axis, `[..] -> [..] of u32`.
pub fn order(c: &Ctx<'_>) -> Result<Ty> {
    let (s, _) = c.tensor(0)?;
    let at = c.axis(c.place("axis"), s.len())?;
    kth(c, at)?;
    Ok(Ty::Tensor(s.clone(), Dt::U32))
}

/// An element's place, where the axis has a known size.
fn kth(c: &Ctx<'_>, at: usize) -> Result<()> {
    let (s, _) = c.tensor(0)?;
    let i = c.place("kth");
    match (c.args.get(i), s[at].as_constant()) {
        (Some(Arg::Int(k)), Some(n)) if *k >= n || *k < -n => {
            Err(Diag::no_element(c.at(i), c.op.name, k, at, c.noun(0)))
        }
        _ => Ok(()),
    }
}

/// The `k` largest along one axis.
pub fn topk(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let at = c.axis(2, s.len())?;
    let k = c.size(1)?;
    let beyond = s[at]
        .plus(&k.negated())
        .as_constant()
        .is_some_and(|n| n < 0);
    if beyond || k.as_constant().is_some_and(|n| n < 0) {
        return Err(Diag::more_than_there_are(
            c.at(1),
            c.op.name,
            c.names.dim(k),
            at,
            c.noun(0),
        ));
    }
    let mut s = s.clone();
    s[at] = k.clone();
    Ok(Ty::Tensor(s, d))
}
