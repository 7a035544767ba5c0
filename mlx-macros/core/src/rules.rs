//! Shape and dtype rules, one function for each family of operations. Each states in its first
//! line what goes in and what comes out.

use crate::diag::{Code, Result};
use crate::dims::{volume, Dim, Shape};
use crate::ir::Arg;
use crate::operands::{broadcast, list, need_float, need_index, operands, promote, reduced};
use crate::ops::Ctx;
use crate::signature::{Dt, Ty};

/// `[..] -> [..]`, any dtype.
pub fn same(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// `[..] -> [..]`, anything but bool.
pub fn negative(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    match d {
        Dt::Bool => Err(c.error_at(
            0,
            Code::Dtype,
            format!("bool has no sign, but {}", c.describe(0)),
        )),
        _ => Ok(Ty::Tensor(s.clone(), d)),
    }
}

/// Two values of one shape, floating point.
pub fn swiglu(c: &Ctx<'_>) -> Result<Ty> {
    let ((a, da), (b, db)) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = promote(c, 0, 1, da, db)?;
    need_float(c, 0, dtype)?;
    match a == b {
        true => Ok(Ty::Tensor(a.clone(), dtype)),
        false => Err(c.error_at(
            1,
            Code::DimMismatch,
            format!(
                "both must have one shape: {}, {}",
                c.describe(0),
                c.describe(1)
            ),
        )),
    }
}

/// `[..] -> [..]`, floating point.
pub fn float(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    Ok(Ty::Tensor(s.clone(), d))
}

/// `[..] of bool -> [..] of bool`.
pub fn not(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    match d {
        Dt::Bool => Ok(Ty::Tensor(s.clone(), d)),
        _ => Err(c.error_at(0, Code::Dtype, format!("{} must be bool", c.describe(0)))),
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

/// Two shapes that broadcast to one of bool.
pub fn compare(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, _) = operands(c, 0, 1)?;
    Ok(Ty::Tensor(shape, Dt::Bool))
}

/// `condition` of bool, and two values; all three broadcast.
pub fn where_(c: &Ctx<'_>) -> Result<Ty> {
    let (cond, d) = c.tensor(0)?;
    if d != Dt::Bool {
        return Err(c.error_at(
            0,
            Code::Dtype,
            format!("the condition must be bool, but {}", c.describe(0)),
        ));
    }
    let (shape, dtype) = operands(c, 1, 2)?;
    let shape = broadcast(cond, &shape).ok_or_else(|| {
        c.error(
            Code::Broadcast,
            format!(
                "{} does not broadcast with {}",
                c.noun(0),
                c.names.shape(&shape)
            ),
        )
    })?;
    Ok(Ty::Tensor(shape, dtype))
}

/// `[.., M, K] x [.., K, N] -> [.., M, N]`; leading dims broadcast.
pub fn matmul(c: &Ctx<'_>) -> Result<Ty> {
    let ((a, da), (b, db)) = (c.tensor(0)?, c.tensor(1)?);
    for (i, s) in [(0, a), (1, b)] {
        if s.len() < 2 {
            return Err(c.error_at(
                i,
                Code::Rank,
                format!("needs two dims or more, but {}", c.describe(i)),
            ));
        }
    }
    let dtype = promote(c, 0, 1, da, db)?;
    need_float(c, 0, dtype)?;
    let (ra, rb) = (a.len(), b.len());
    if a[ra - 1] != b[rb - 2] {
        let text = format!(
            "inner dims `{}` and `{}` differ: {}, {}",
            c.names.dim(&a[ra - 1]),
            c.names.dim(&b[rb - 2]),
            c.describe(0),
            c.describe(1)
        );
        return Err(c.error(Code::Inner, text));
    }
    let mut shape = broadcast(&a[..ra - 2].to_vec(), &b[..rb - 2].to_vec()).ok_or_else(|| {
        c.error(
            Code::Broadcast,
            format!(
                "leading dims do not broadcast: {}, {}",
                c.describe(0),
                c.describe(1)
            ),
        )
    })?;
    shape.extend([a[ra - 2].clone(), b[rb - 1].clone()]);
    Ok(Ty::Tensor(shape, dtype))
}

/// Any shape to one of the same number of elements; one size may be -1.
pub fn reshape(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let mut to: Shape = c.dims(1).to_vec();
    let unknown: Vec<usize> = (0..to.len())
        .filter(|i| to[*i].as_constant() == Some(-1))
        .collect();
    let from = volume(s);
    match unknown[..] {
        [] => {}
        [i] => {
            to[i] = Dim::constant(1);
            to[i] = from.divided_by(&volume(&to)).ok_or_else(|| {
                let text = format!(
                    "-1 has no size: `{}` does not divide the elements of {}",
                    c.names.dim(&volume(&to)),
                    c.noun(0)
                );
                c.error_at(1, Code::Reshape, text)
            })?;
        }
        _ => return Err(c.error_at(1, Code::Reshape, "more than one -1".to_string())),
    }
    let into = volume(&to);
    if from == into {
        return Ok(Ty::Tensor(to, d));
    }
    let text = format!(
        "{} has `{from}` elements, {} has `{into}`",
        c.noun(0),
        c.names.shape(&to)
    );
    Err(c.error_at(1, Code::Reshape, text))
}

/// A shape to one it broadcasts to.
pub fn broadcast_to(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let to = c.dims(1).to_vec();
    match broadcast(s, &to) {
        Some(out) if out == to => Ok(Ty::Tensor(to, d)),
        _ => Err(c.error_at(
            1,
            Code::Broadcast,
            format!("{} does not broadcast to {}", c.noun(0), c.names.shape(&to)),
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
        let text = format!("{} axes are named for {}", axes.len(), c.noun(0));
        return Err(c.error_at(1, Code::Permutation, text));
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
        let text = format!(
            "axis {at} has size `{}`, not 1: {}",
            c.names.dim(&s[at]),
            c.describe(0)
        );
        return Err(c.error_at(1, Code::DimMismatch, text));
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
            return Err(c.error_at(
                0,
                Code::DimMismatch,
                format!("only axis {at} may differ: {}", c.describe(0)),
            ));
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
        return Err(c.error_at(
            0,
            Code::DimMismatch,
            format!("all shapes must be equal: {}", c.describe(0)),
        ));
    }
    let mut out = first.clone();
    out.insert(at, Dim::constant(rest.len() as i64 + 1));
    Ok(Ty::Tensor(out, dtype))
}

/// One axis in equal parts, as a tuple.
pub fn split(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let Arg::Int(parts @ 1..=64) = c.args[1] else {
        return Err(c.error_at(
            1,
            Code::ArgumentKind,
            "the number of parts is between 1 and 64".to_string(),
        ));
    };
    let at = c.axis(2, s.len())?;
    let part = s[at].divided_by(&Dim::constant(parts)).ok_or_else(|| {
        c.error_at(
            1,
            Code::DimMismatch,
            format!(
                "{parts} is not known to divide `{}` of {}",
                c.names.dim(&s[at]),
                c.noun(0)
            ),
        )
    })?;
    let mut one = s.clone();
    one[at] = part;
    Ok(Ty::Tuple(vec![Ty::Tensor(one, d); parts as usize]))
}

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
        return Err(c.error_at(
            1,
            Code::DimMismatch,
            format!(
                "dims other than axis {at} differ: {}, {}",
                c.describe(0),
                c.describe(1)
            ),
        ));
    }
    let mut out = s.clone();
    out[at] = ix[at].clone();
    Ok(Ty::Tensor(out, d))
}

/// The same shape in another dtype.
pub fn astype(c: &Ctx<'_>) -> Result<Ty> {
    let (s, _) = c.tensor(0)?;
    match c.args[1] {
        Arg::Dtype(d) => Ok(Ty::Tensor(s.clone(), d)),
        _ => Err(c.error_at(1, Code::ArgumentKind, "expected a dtype".to_string())),
    }
}

/// Axes that go, or become 1 with `keepdims`; all of them when none is named.
pub fn reduce(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    if matches!(c.op.name, "mean" | "logsumexp") {
        need_float(c, 0, d)?;
    }
    let axes = c.axes(1, s.len())?;
    // MLX counts what is true.
    let d = match (d, c.op.name) {
        (Dt::Bool, "sum" | "prod") => Dt::I32,
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

/// `x [.., D]`, `weight [D]` -> `[.., D]`.
pub fn norm(c: &Ctx<'_>) -> Result<Ty> {
    let ((x, d), (w, dw)) = (c.tensor(0)?, c.tensor(1)?);
    need_float(c, 0, d)?;
    promote(c, 0, 1, d, dw)?;
    if w.len() != 1 || x.last() != w.first() {
        return Err(c.error(
            Code::DimMismatch,
            format!(
                "the weight must have the last dim's size: {}, {}",
                c.describe(0),
                c.describe(1)
            ),
        ));
    }
    Ok(Ty::Tensor(x.clone(), d))
}

/// `q [B, H, L, D]`, `k [B, G, S, D]`, `v [B, G, S, E]` -> `[B, H, L, E]`; G divides H.
pub fn attention(c: &Ctx<'_>) -> Result<Ty> {
    let (q, dq) = c.tensor(0)?;
    let ((k, dk), (v, dv)) = (c.tensor(1)?, c.tensor(2)?);
    for (i, s) in [(0, q), (1, k), (2, v)] {
        if s.len() != 4 {
            return Err(c.error_at(
                i,
                Code::Rank,
                format!(
                    "needs [batch, heads, length, head size], but {}",
                    c.describe(i)
                ),
            ));
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
            return Err(c.error_at(
                j,
                Code::DimMismatch,
                format!("{what} differ: {}, {}", c.describe(i), c.describe(j)),
            ));
        }
    }
    if let Arg::Value(_) = c.args[3] {
        let (m, dm) = c.tensor(3)?;
        if dm != Dt::Bool && dm != dtype {
            return Err(c.error_at(
                3,
                Code::Dtype,
                format!("a mask is bool or {}, but {}", dtype.name(), c.describe(3)),
            ));
        }
        let scores = vec![q[0].clone(), q[1].clone(), q[2].clone(), k[2].clone()];
        if broadcast(m, &scores).as_ref() != Some(&scores) {
            return Err(c.error_at(
                3,
                Code::Broadcast,
                format!(
                    "{} does not broadcast to {}",
                    c.noun(3),
                    c.names.shape(&scores)
                ),
            ));
        }
    }
    Ok(Ty::Tensor(
        vec![q[0].clone(), q[1].clone(), q[2].clone(), v[3].clone()],
        dtype,
    ))
}

/// `logits [.., V]`, `targets [..] of i32` -> `[..] of f32`.
pub fn cross_entropy(c: &Ctx<'_>) -> Result<Ty> {
    let ((x, d), (t, dt)) = (c.tensor(0)?, c.tensor(1)?);
    need_float(c, 0, d)?;
    need_index(c, 1, dt)?;
    match x.split_last() {
        Some((_, rows)) if rows == &t[..] => Ok(Ty::Tensor(t.clone(), Dt::F32)),
        _ => Err(c.error_at(
            1,
            Code::DimMismatch,
            format!(
                "one target for each row of logits: {}, {}",
                c.describe(0),
                c.describe(1)
            ),
        )),
    }
}
