//! Rules of operations that pick and order elements.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx, Graph, Id, Kind};
use crate::ops::operands::{need_index, operands, promote};
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::literals::integer;
use crate::syntax::shapes::broadcast;
use crate::syntax::signature::{Dt, Ty};

/// An axis replaced by the shape of the indices.
pub fn take(c: &Ctx<'_>) -> Result<Ty> {
    let ((s, d), (ix, di)) = (c.tensor(0)?, c.tensor(1)?);
    need_index(c, 1, di)?;
    let at = c.axis(2, s.len())?;
    inside(c, &s[at])?;
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
        return Err(differ(c, at));
    }
    inside(c, &s[at])?;
    let mut out = s.clone();
    out[at] = ix[at].clone();
    Ok(Ty::Tensor(out, d))
}

/// Elements along an axis replaced by values that broadcast to the indices.
pub fn put_along_axis(c: &Ctx<'_>) -> Result<Ty> {
    let ((s, d), (ix, di)) = (c.tensor(0)?, c.tensor(1)?);
    need_index(c, 1, di)?;
    let number = Shape::new();
    let v = match &c.args[2] {
        Arg::Weak { .. } => {
            operands(c, 0, 2)?;
            &number
        }
        _ => {
            let (v, dv) = c.tensor(2)?;
            promote(c, 0, 2, d, dv)?;
            v
        }
    };
    let at = c.axis(3, s.len())?;
    let fits = s.len() == ix.len() && (0..s.len()).all(|i| i == at || s[i] == ix[i]);
    if !fits {
        return Err(differ(c, at));
    }
    inside(c, &s[at])?;
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

/// An element's place, which is inside of the axis.
fn kth(c: &Ctx<'_>, at: usize) -> Result<()> {
    let (s, _) = c.tensor(0)?;
    let i = c.place("kth");
    let Some(Arg::Int(k)) = c.args.get(i) else {
        return Ok(());
    };
    let needed = Dim::constant(if *k < 0 { -k } else { k + 1 });
    match s[at].as_constant() {
        Some(_) if !c.at_most(&needed, &s[at]) => {
            Err(Diag::no_element(c.at(i), c.op.name, k, at, c.noun(0)))
        }
        _ => c.need_at_most(i, &needed, &s[at]),
    }
}

/// Indices whose numbers are known are inside of the axis that they choose from.
fn inside(c: &Ctx<'_>, size: &Dim) -> Result<()> {
    let Some(Arg::Value(id)) = c.args.get(1) else {
        return Ok(());
    };
    match last_number(c.graph, *id) {
        Some(last) => c.need_at_most(1, &last.plus(&Dim::constant(1)), size),
        None => Ok(()),
    }
}

/// The largest number in a tensor of which each is known.
fn last_number(graph: &Graph, id: Id) -> Option<Dim> {
    let Kind::Op { op, args } = &graph.nodes[id].kind else {
        return None;
    };
    match (op.name, &args[..]) {
        ("zeros", _) => Some(Dim::constant(0)),
        ("ones", _) => Some(Dim::constant(1)),
        ("full", [_, Arg::Scalar(e), ..]) => integer(e).map(Dim::constant),
        ("arange", [Arg::Dims(start), stop, Arg::Dims(step), ..]) => {
            let end = match stop {
                Arg::Dims(stop) => stop,
                _ => start,
            };
            // A larger step may end before it.
            let by_one = step.first()?.as_constant() == Some(1);
            by_one.then(|| end.first().map(|d| d.plus(&Dim::constant(-1))))?
        }
        (
            "astype" | "reshape" | "flatten" | "unflatten" | "expand_dims" | "squeeze"
            | "broadcast_to" | "transpose" | "swapaxes" | "moveaxis" | "contiguous"
            | "stop_gradient" | "tile" | "repeat" | "roll",
            [Arg::Value(x), ..],
        ) => last_number(graph, *x),
        _ => None,
    }
}

/// The `k` largest along one axis.
pub fn topk(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let at = c.axis(2, s.len())?;
    let k = c.size(1)?;
    let below = |d: &Dim| d.as_constant().is_some_and(|n| n < 0);
    if below(&s[at].plus(&k.negated())) || below(k) {
        return Err(Diag::more_than_there_are(
            c.at(1),
            c.op.name,
            c.names.dim(k),
            at,
            c.noun(0),
        ));
    }
    c.need_size(1, k)?;
    c.need_at_most(1, k, &s[at])?;
    let mut s = s.clone();
    s[at] = k.clone();
    Ok(Ty::Tensor(s, d))
}

/// The shapes of argument 0 and of the indices differ beside axis `at`.
fn differ(c: &Ctx<'_>, at: usize) -> Diag {
    let (left, right) = (c.describe(0), c.describe(1));
    Diag::indices_shape(c.at(1), c.op.name, at, left, right)
}
