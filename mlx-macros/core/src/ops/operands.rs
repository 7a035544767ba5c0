//! Helpers of the rules: dtypes of operands, literal numbers, lists.
//!
//! Tests: `mlx-tests --test rules`.

use syn::Expr;

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx, Kind};
use crate::syntax::condition;
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::literals::{integer, whole_literal};
use crate::syntax::shapes::broadcast;
use crate::syntax::signature::{Dt, Ty};

/// Refuses whole numbers.
pub(crate) fn need_float(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    match d {
        Dt::Float | Dt::F32 => Ok(()),
        _ => Err(Diag::needs_float(c.at(i), c.op.name, c.describe(i))),
    }
}

/// Refuses floating point.
pub(crate) fn need_whole(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    match d {
        Dt::I32 | Dt::U32 | Dt::Bool => Ok(()),
        _ => Err(Diag::needs_bits(c.at(i), c.op.name, c.describe(i))),
    }
}

pub(crate) fn need_index(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    match d {
        Dt::I32 | Dt::U32 => Ok(()),
        _ => Err(Diag::indices_dtype(c.at(i), c.op.name, c.describe(i))),
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
    let none = || Diag::expected_tensors(c.at(at));
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
        return Err(Diag::dtypes_of_list(c.at(at), c.op.name, c.describe(at)));
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

            Err(Diag::dtypes_meet(
                c.span,
                c.op.name,
                a.name(),
                b.name(),
                why,
                c.describe(i),
                c.describe(j),
            ))
        }
    }
}

/// Refuses a literal that a whole dtype has no place for; `since` says why it is that dtype.
pub(crate) fn in_range(
    c: &Ctx<'_>,
    i: usize,
    e: &Expr,
    d: Dt,
    since: impl std::fmt::Display,
) -> Result<()> {
    let range = match d {
        Dt::I32 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        Dt::U32 => 0..=i64::from(u32::MAX),
        _ => return Ok(()),
    };
    let fits = integer(e).is_some_and(|n| range.contains(&n));
    match whole_literal(e) && !fits {
        true => Err(Diag::number_beyond(c.at(i), c.op.name, d.name(), since)),
        false => Ok(()),
    }
}

/// As [`in_range`], where any other number would be cut.
pub(crate) fn not_cut(c: &Ctx<'_>, i: usize, d: Dt) -> Result<()> {
    let Arg::Scalar(e) = &c.args[i] else {
        return Ok(());
    };
    let since = "that is the dtype of the result";
    let zero = matches!(e, Expr::Lit(l) if matches!(&l.lit, syn::Lit::Float(f) if f.base10_parse::<f64>().is_ok_and(|x| x == 0.0)));
    match d {
        Dt::Float | Dt::F32 => Ok(()),
        _ if whole_literal(e) => in_range(c, i, e, d, since),
        _ if condition::is_index(e) => Ok(()),
        // The default of `pad`.
        _ if zero => Ok(()),
        _ => Err(Diag::number_cut(c.at(i), c.op.name, d.name(), since)),
    }
}

/// True if a number is made of whole ones: literals, arguments, sizes, and fields of the config, which rustc then reads
/// as integers.
fn is_whole(c: &Ctx<'_>, e: &Expr) -> bool {
    match e {
        Expr::Paren(p) => is_whole(c, &p.expr),
        Expr::Group(g) => is_whole(c, &g.expr),
        Expr::Unary(u) => is_whole(c, &u.expr),
        Expr::Binary(b) => is_whole(c, &b.left) && is_whole(c, &b.right),
        Expr::Path(p)
            if condition::is_size(p)
                || condition::is_index(e)
                || condition::is_constant(&p.path) =>
        {
            true
        }
        Expr::Path(p) => {
            c.graph.nodes.iter().any(
                |n| matches!(&n.kind, Kind::Input(i) if n.ty == Ty::Whole && p.path.is_ident(i)),
            )
        }
        place if condition::is_place(place, condition::Names::Config) => true,
        other => crate::syntax::literals::whole(other),
    }
}

/// Shape and dtype of two operands, either of which may be a number.
pub(crate) fn operands(c: &Ctx<'_>, i: usize, j: usize) -> Result<(Shape, Dt)> {
    let weak = |k: usize| matches!(c.args[k], Arg::Weak { .. });
    if weak(i) || weak(j) {
        let (number, tensor) = if weak(i) { (i, j) } else { (j, i) };
        let (s, d) = c.tensor(tensor)?;
        if let Arg::Weak { expr, .. } = &c.args[number] {
            in_range(c, number, expr, d, c.describe(tensor))?;
        }
        let whole = matches!(&c.args[number], Arg::Weak { expr, .. } if is_whole(c, expr));
        if d == Dt::Bool || (matches!(d, Dt::I32 | Dt::U32) && !whole) {
            return Err(Diag::number_cut(
                c.at(number),
                c.op.name,
                d.name(),
                c.describe(tensor),
            ));
        }
        return Ok((s.clone(), d));
    }
    let ((a, da), (b, db)) = (c.tensor(i)?, c.tensor(j)?);
    let dtype = promote(c, i, j, da, db)?;
    let shape = broadcast(a, b)
        .ok_or_else(|| Diag::no_broadcast(c.span, c.op.name, c.describe(i), c.describe(j)))?;
    Ok((shape, dtype))
}
