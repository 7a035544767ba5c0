//! What the rules of operations share: broadcasting, dtypes of two operands, lists.

use crate::diag::{Code, Result};
use crate::dims::{Dim, Shape};
use crate::ir::Arg;
use crate::ops::Ctx;
use crate::signature::Dt;

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
        _ => Err(c.error_at(
            i,
            Code::Dtype,
            format!("needs floating point, but {}", c.describe(i)),
        )),
    }
}

/// Refuses floating point.
pub(crate) fn need_whole(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    match d {
        Dt::I32 | Dt::U32 | Dt::Bool => Ok(()),
        _ => Err(c.error_at(
            i,
            Code::Dtype,
            format!("needs whole numbers or bool, but {}", c.describe(i)),
        )),
    }
}

pub(crate) fn need_index(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    match d {
        Dt::I32 | Dt::U32 => Ok(()),
        _ => Err(c.error_at(
            i,
            Code::Dtype,
            format!("indices are whole numbers, but {}", c.describe(i)),
        )),
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
    let none = || {
        c.error_at(
            at,
            Code::ArgumentKind,
            "expected a list of tensors, `[a, b]`".to_string(),
        )
    };
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
        let text = format!("dtypes differ: {}", c.describe(at));
        return Err(c.error_at(at, Code::Dtype, text));
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
            let text = format!(
                "dtypes {} and {} meet{why}: {}, {}",
                a.name(),
                b.name(),
                c.describe(i),
                c.describe(j)
            );
            Err(c.error(Code::Dtype, text))
        }
    }
}

/// Shape and dtype of two operands, either of which may be a number.
pub(crate) fn operands(c: &Ctx<'_>, i: usize, j: usize) -> Result<(Shape, Dt)> {
    let weak = |k: usize| matches!(c.args[k], Arg::Weak { .. });
    if weak(i) || weak(j) {
        let (number, tensor) = if weak(i) { (i, j) } else { (j, i) };
        let (s, d) = c.tensor(tensor)?;
        let whole =
            matches!(&c.args[number], Arg::Weak { expr, .. } if crate::arguments::whole(expr));
        if d == Dt::Bool || (matches!(d, Dt::I32 | Dt::U32) && !whole) {
            let text = format!(
                "the number would be cut to {}, since {}",
                d.name(),
                c.describe(tensor)
            );
            return Err(c.error_at(number, Code::Dtype, text));
        }
        return Ok((s.clone(), d));
    }
    let ((a, da), (b, db)) = (c.tensor(i)?, c.tensor(j)?);
    let dtype = promote(c, i, j, da, db)?;
    let shape = broadcast(a, b).ok_or_else(|| {
        c.error(
            Code::Broadcast,
            format!(
                "shapes do not broadcast: {}, {}",
                c.describe(i),
                c.describe(j)
            ),
        )
    })?;
    Ok((shape, dtype))
}
