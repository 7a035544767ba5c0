//! Rules of attention and of positions.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx};
use crate::ops::operands::{need_float, promote};
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::shapes::broadcast;
use crate::syntax::signature::{Dt, Ty, PAST};

/// `q [B, H, L, D]`, `k [B, G, S, D]`, `v [B, G, S, E]` -> `[B, H, L, E]`; G divides H.
pub fn attention(c: &Ctx<'_>) -> Result<Ty> {
    let (q, dq) = c.tensor(0)?;
    let ((k, dk), (v, dv)) = (c.tensor(1)?, c.tensor(2)?);
    for (i, s) in [(0, q), (1, k), (2, v)] {
        if s.len() != 4 {
            return Err(Diag::needs_heads(c.at(i), c.op.name, c.describe(i)));
        }
    }
    let dtype = promote(c, 0, 1, dq, dk)?;
    promote(c, 1, 2, dk, dv)?;
    need_float(c, 0, dtype)?;
    let rows = [
        (0, 1, q[0] == k[0], "batch sizes"),
        (0, 1, q[3] == k[3], "head sizes"),
        (1, 2, k[0] == v[0], "batch sizes"),
        (1, 2, k[1] == v[1], "heads"),
        (1, 2, k[2] == v[2], "lengths"),
    ];
    for (i, j, equal, what) in rows {
        if !equal {
            return Err(Diag::attention_differs(
                c.at(j),
                c.op.name,
                what,
                c.describe(i),
                c.describe(j),
            ));
        }
    }
    heads_shared(c, &q[1], &k[1])?;
    if let Some((sinks, ds)) = c.optional(5)? {
        promote(c, 0, 5, dtype, ds)?;
        if sinks[..] != q[1..2] {
            return Err(Diag::sinks_count(
                c.at(5),
                c.op.name,
                c.describe(0),
                c.describe(5),
            ));
        }
    }
    if let Arg::Value(_) = c.args[3] {
        let (m, dm) = c.tensor(3)?;
        if dm != Dt::Bool && dm != dtype {
            return Err(Diag::mask_dtype(
                c.at(3),
                c.op.name,
                dtype.name(),
                c.describe(3),
            ));
        }
        let scores = vec![q[0].clone(), q[1].clone(), q[2].clone(), k[2].clone()];
        if broadcast(m, &scores).as_ref() != Some(&scores) {
            return Err(Diag::no_broadcast_to(
                c.at(3),
                c.op.name,
                c.noun(3),
                c.names.shape(&scores),
            ));
        }
    }
    Ok(Ty::Tensor(
        vec![q[0].clone(), q[1].clone(), q[2].clone(), v[3].clone()],
        dtype,
    ))
}

/// Neighbouring heads of queries share one of keys: their numbers must divide.
fn heads_shared(c: &Ctx<'_>, q: &Dim, k: &Dim) -> Result<()> {
    // Dims that a call binds are left to the call.
    let open = |d: &Dim| d.names().iter().any(|n| is_free(n));
    match (q.as_constant(), k.as_constant()) {
        (Some(q), Some(k)) if k < 1 || q % k != 0 => Err(Diag::heads_shared(
            c.at(1),
            c.op.name,
            q,
            k,
            c.describe(0),
            c.describe(1),
        )),
        _ if open(q) || open(k) || c.divide(q, k).is_some() => Ok(()),
        _ => Err(Diag::not_divided(c.at(1), c.names.dim(k), c.names.dim(q))),
    }
}

/// `q [B, H, L, D]`, `k [B, G, S, D] -> [L, S] of bool`: the keys that each query sees.
pub fn visible_keys(c: &Ctx<'_>) -> Result<Ty> {
    let ((q, _), (k, _)) = (c.tensor(0)?, c.tensor(1)?);
    for (i, s) in [(0, q), (1, k)] {
        if s.len() != 4 {
            return Err(Diag::needs_heads(c.at(i), c.op.name, c.describe(i)));
        }
    }
    Ok(Ty::Tensor(vec![q[2].clone(), k[2].clone()], Dt::Bool))
}

/// `scores [.., L, S] -> [.., L, S]`, floating point.
pub fn causal_mask(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    match s.len() {
        0 | 1 => Err(Diag::needs_two_dims(c.at(0), c.op.name, c.describe(0))),
        _ => Ok(Ty::Tensor(s.clone(), d)),
    }
}

/// `[.., L, D] -> [.., L, D]`, of which the first `dims` of D are rotated.
pub fn rope(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    if s.len() < 3 {
        return Err(Diag::needs_positions(c.at(0), c.op.name, c.describe(0)));
    }
    let dims = c.size(1)?;
    let left = s[s.len() - 1].plus(&dims.negated()).as_constant();
    if left.is_some_and(|n| n < 0) || dims.as_constant().is_some_and(|n| n < 2 || n % 2 != 0) {
        return Err(Diag::rotated_part(
            c.at(1),
            c.op.name,
            c.names.dim(dims),
            c.describe(0),
        ));
    }
    c.need_at_most(1, dims, &s[s.len() - 1])?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// `tokens [B, L, ..] -> [L, Past + L] of i32`: places of keys less places of queries.
pub fn distances(c: &Ctx<'_>) -> Result<Ty> {
    let (s, _) = c.tensor(1)?;
    match s.get(1) {
        Some(length) => {
            let keys = length.plus(&Dim::name(PAST));
            Ok(Ty::Tensor(vec![length.clone(), keys], Dt::I32))
        }
        None => Err(Diag::needs_length(c.at(1), c.op.name, c.describe(1))),
    }
}

/// `tokens [B, L, ..] -> [L] of i32`: positions that follow those in the cache.
pub fn positions(c: &Ctx<'_>) -> Result<Ty> {
    let (s, _) = c.tensor(1)?;
    match s.get(1) {
        Some(length) => Ok(Ty::Tensor(vec![length.clone()], Dt::I32)),
        None => Err(Diag::needs_length(c.at(1), c.op.name, c.describe(1))),
    }
}
