//! Rules of products.
//!
//! Tests: `mlx-tests --test rules`.

use std::collections::BTreeMap;

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx};
use crate::ops::operands::{list_at, need_float, need_index, promote};
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::shapes::broadcast;
use crate::syntax::signature::{Dt, Ty};

/// Sizes that are summed over differ.
fn inner_differs(c: &Ctx<'_>, i: usize, j: usize, a: &Dim, b: &Dim) -> Diag {
    Diag::inner_differs(
        c.span,
        c.op.name,
        c.names.dim(a),
        c.names.dim(b),
        c.describe(i),
        c.describe(j),
    )
}

/// Refuses a tensor of fewer dims.
fn need_rank(c: &Ctx<'_>, i: usize, s: &Shape, rank: usize) -> Result<()> {
    if s.len() >= rank {
        return Ok(());
    }
    Err(match rank {
        1 => Diag::needs_a_dim(c.at(i), c.op.name, c.describe(i)),
        _ => Diag::needs_two_dims(c.at(i), c.op.name, c.describe(i)),
    })
}

/// The product of arguments `i` and `j`.
fn product(c: &Ctx<'_>, i: usize, j: usize) -> Result<(Shape, Dt)> {
    let ((a, da), (b, db)) = (c.tensor(i)?, c.tensor(j)?);
    need_rank(c, i, a, 2)?;
    need_rank(c, j, b, 2)?;
    let dtype = promote(c, i, j, da, db)?;
    need_float(c, i, dtype)?;
    let (ra, rb) = (a.len(), b.len());
    if a[ra - 1] != b[rb - 2] {
        return Err(inner_differs(c, i, j, &a[ra - 1], &b[rb - 2]));
    }
    let mut shape = broadcast(&a[..ra - 2].to_vec(), &b[..rb - 2].to_vec())
        .ok_or_else(|| Diag::leading_broadcast(c.span, c.op.name, c.describe(i), c.describe(j)))?;
    shape.extend([a[ra - 2].clone(), b[rb - 1].clone()]);
    Ok((shape, dtype))
}

/// `[.., M, K] x [.., K, N] -> [.., M, N]`; leading dims broadcast.
pub fn matmul(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, dtype) = product(c, 0, 1)?;
    Ok(Ty::Tensor(shape, dtype))
}

/// A matrix product and a summand that broadcasts to it.
pub fn addmm(c: &Ctx<'_>) -> Result<Ty> {
    let (s, d) = c.tensor(0)?;
    let (shape, dtype) = product(c, 1, 2)?;
    promote(c, 0, 1, d, dtype)?;
    match broadcast(s, &shape) {
        Some(out) if out == shape => Ok(Ty::Tensor(shape, dtype)),
        _ => Err(Diag::no_broadcast_to(
            c.at(0),
            c.op.name,
            c.noun(0),
            c.names.shape(&shape),
        )),
    }
}

/// `[.., K] x [.., K]`: all leading dims of both.
pub fn inner(c: &Ctx<'_>) -> Result<Ty> {
    let ((a, da), (b, db)) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = promote(c, 0, 1, da, db)?;
    need_float(c, 0, dtype)?;
    need_rank(c, 0, a, 1)?;
    need_rank(c, 1, b, 1)?;
    let (rows, columns) = (a.len() - 1, b.len() - 1);
    match a[rows] == b[columns] {
        true => Ok(Ty::Tensor([&a[..rows], &b[..columns]].concat(), dtype)),
        false => Err(inner_differs(c, 0, 1, &a[rows], &b[columns])),
    }
}

/// Every product of two elements, `[M], [N] -> [M, N]`.
pub fn outer(c: &Ctx<'_>) -> Result<Ty> {
    let ((a, da), (b, db)) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = promote(c, 0, 1, da, db)?;
    for (i, s) in [(0, a), (1, b)] {
        if s.len() != 1 {
            return Err(Diag::needs_a_vector(c.at(i), c.op.name, c.describe(i)));
        }
    }
    Ok(Ty::Tensor(vec![a[0].clone(), b[0].clone()], dtype))
}

/// The sum of products over one axis of two equal shapes.
pub fn vecdot(c: &Ctx<'_>) -> Result<Ty> {
    let ((a, da), (b, db)) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = promote(c, 0, 1, da, db)?;
    need_float(c, 0, dtype)?;
    let at = c.axis(2, a.len())?;
    if a != b {
        return Err(Diag::shapes_differ(
            c.at(1),
            c.op.name,
            c.describe(0),
            c.describe(1),
        ));
    }
    let mut out = a.clone();
    out.remove(at);
    Ok(Ty::Tensor(out, dtype))
}

/// Axes of one side summed with axes of the other, pair by pair.
pub fn tensordot(c: &Ctx<'_>) -> Result<Ty> {
    let ((a, da), (b, db)) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = promote(c, 0, 1, da, db)?;
    need_float(c, 0, dtype)?;
    let Arg::Ints(both) = &c.args[2] else {
        return Err(Diag::expected_axes(c.at(2)));
    };
    let (left, right) = both.split_at(both.len() / 2);
    let resolve = |i: usize, s: &Shape, list: &[i64]| -> Result<Vec<usize>> {
        let places = list.iter().map(|x| c.axis_of(2, i, *x, s.len()));
        let places = places.collect::<Result<Vec<usize>>>()?;
        let mut seen = places.clone();
        seen.sort_unstable();
        seen.dedup();
        match seen.len() == places.len() {
            true => Ok(places),
            false => Err(Diag::axis_twice(c.at(2), c.op.name)),
        }
    };
    let (left, right) = (resolve(0, a, left)?, resolve(1, b, right)?);
    for (i, j) in left.iter().zip(&right) {
        if a[*i] != b[*j] {
            return Err(inner_differs(c, 0, 1, &a[*i], &b[*j]));
        }
    }
    let rest = |s: &Shape, gone: &[usize]| -> Shape {
        let kept = s.iter().enumerate().filter(|(i, _)| !gone.contains(i));
        kept.map(|(_, d)| d.clone()).collect()
    };
    Ok(Ty::Tensor(
        [rest(a, &left), rest(b, &right)].concat(),
        dtype,
    ))
}

/// A sum of products by letters, `"bld,dh->blh"`.
pub fn einsum(c: &Ctx<'_>) -> Result<Ty> {
    let (first, dtype, rest) = list_at(c, 1)?;
    need_float_of(c, dtype)?;
    let (at, op) = (c.at(0), c.op.name);
    let Arg::Text(text) = &c.args[0] else {
        return Err(Diag::expected_text(at));
    };
    let text: String = text.chars().filter(|l| !l.is_whitespace()).collect();
    let Some((inputs, output)) = text.split_once("->") else {
        return Err(Diag::subscripts_without_arrow(at, op, text));
    };
    let inputs: Vec<&str> = inputs.split(',').collect();
    let shapes: Vec<&Shape> = [first]
        .into_iter()
        .chain(rest.iter().map(|(s, _)| *s))
        .collect();
    if inputs.len() != shapes.len() {
        return Err(Diag::subscripts_count(at, op, inputs.len(), shapes.len()));
    }
    let mut sizes: BTreeMap<char, Dim> = BTreeMap::new();
    for (letters, shape) in inputs.iter().zip(shapes) {
        if letters.chars().count() != shape.len() {
            let shape = c.names.shape(shape);
            return Err(Diag::subscripts_rank(
                at,
                op,
                letters,
                letters.chars().count(),
                shape,
            ));
        }
        for (l, d) in letters.chars().zip(shape) {
            if !l.is_ascii_alphabetic() || letters.matches(l).count() > 1 {
                return Err(Diag::subscripts_letter(at, op, letters));
            }
            let known = sizes.entry(l).or_insert_with(|| d.clone());
            if known != d {
                return Err(Diag::letter_of_two_sizes(
                    c.at(1),
                    c.op.name,
                    l,
                    c.names.dim(known),
                    c.names.dim(d),
                    c.describe(1),
                ));
            }
        }
    }
    let out: Option<Shape> = output.chars().map(|l| sizes.get(&l).cloned()).collect();
    match out {
        Some(shape) if output.chars().all(|l| output.matches(l).count() == 1) => {
            Ok(Ty::Tensor(shape, dtype))
        }
        _ => Err(Diag::subscripts_result(at, op, output)),
    }
}

fn need_float_of(c: &Ctx<'_>, d: Dt) -> Result<()> {
    match d {
        Dt::Float | Dt::F32 => Ok(()),
        _ => Err(Diag::needs_float(c.at(1), c.op.name, c.describe(1))),
    }
}

/// `a [.., M, K]`, `b [.., K, N]` and indices of their matrices, which broadcast to `[I..]`:
/// `[I.., M, N]`.
pub fn gather_mm(c: &Ctx<'_>) -> Result<Ty> {
    let ((a, da), (b, db)) = (c.tensor(0)?, c.tensor(1)?);
    need_rank(c, 0, a, 2)?;
    need_rank(c, 1, b, 2)?;
    let dtype = promote(c, 0, 1, da, db)?;
    need_float(c, 0, dtype)?;
    let (ra, rb) = (a.len(), b.len());
    if a[ra - 1] != b[rb - 2] {
        return Err(inner_differs(c, 0, 1, &a[ra - 1], &b[rb - 2]));
    }
    // Without indices, each matrix is used once.
    let chosen = |i: usize, s: &Shape| -> Result<Shape> {
        match c.optional(i)? {
            None => Ok(s[..s.len() - 2].to_vec()),
            Some((ix, d)) => {
                need_index(c, i, d)?;
                Ok(ix.clone())
            }
        }
    };
    let (left, right) = (chosen(2, a)?, chosen(3, b)?);
    let mut shape = broadcast(&left, &right).ok_or_else(|| {
        Diag::indices_broadcast(
            c.span,
            c.op.name,
            c.names.shape(&left),
            c.names.shape(&right),
        )
    })?;
    shape.extend([a[ra - 2].clone(), b[rb - 1].clone()]);
    Ok(Ty::Tensor(shape, dtype))
}

/// The shape and dtype of packed weights, of which `i` is the first argument.
fn packed(c: &Ctx<'_>, i: usize, options: usize) -> Result<(Shape, Dt)> {
    let (w, dw) = c.tensor(i)?;
    let ((s, ds), (b, db)) = (c.tensor(i + 1)?, c.tensor(i + 2)?);
    if dw != Dt::U32 || w.len() < 2 {
        return Err(Diag::needs_packed(c.at(i), c.op.name, c.describe(i)));
    }
    let dtype = promote(c, i + 1, i + 2, ds, db)?;
    need_float(c, i + 1, dtype)?;
    let (Arg::Int(group), Arg::Int(bits)) = (&c.args[options], &c.args[options + 1]) else {
        return Err(Diag::expected_integer(c.at(options)));
    };
    if !matches!(group, 32 | 64 | 128) || !matches!(bits, 2 | 3 | 4 | 5 | 6 | 8) {
        return Err(Diag::packed_numbers(c.at(options), c.op.name, group, bits));
    }
    let last = w.len() - 1;
    let width = w[last].times(&Dim::constant(32));
    let width = c
        .divide(&width, &Dim::constant(*bits))
        .ok_or_else(|| Diag::packed_words(c.at(i), c.op.name, bits, c.noun(i)))?;
    let fits = s == b
        && s.len() == w.len()
        && s[..last] == w[..last]
        && s[last].times(&Dim::constant(*group)) == width;
    if !fits {
        return Err(Diag::packed_scales(
            c.at(i + 1),
            c.op.name,
            group,
            c.describe(i),
            c.describe(i + 1),
            c.describe(i + 2),
        ));
    }
    let mut shape = w.clone();
    shape[last] = width;
    Ok((shape, dtype))
}

/// Packed weights `[.., N, words]` with scales and biases `[.., N, groups]` -> `[.., N, K]`.
pub fn dequantize(c: &Ctx<'_>) -> Result<Ty> {
    let (shape, dtype) = packed(c, 0, 3)?;
    Ok(Ty::Tensor(shape, dtype))
}

/// `x [.., K]` and packed weights `[N, K]` -> `[.., N]`; `[K, N]` without `transpose`.
pub fn quantized_matmul(c: &Ctx<'_>) -> Result<Ty> {
    let (x, d) = c.tensor(0)?;
    let (w, dw) = packed(c, 1, 5)?;
    let dtype = promote(c, 0, 2, d, dw)?;
    need_rank(c, 0, x, 1)?;
    if w.len() != 2 {
        return Err(Diag::needs_a_matrix(c.at(1), c.op.name, c.describe(1)));
    }
    let (inner, out) = match c.flag(4) {
        true => (&w[1], &w[0]),
        false => (&w[0], &w[1]),
    };
    let mut shape = x.clone();
    match shape.last_mut() {
        Some(last) if last == inner => *last = out.clone(),
        _ => return Err(inner_differs(c, 0, 1, &x[x.len() - 1], inner)),
    }
    Ok(Ty::Tensor(shape, dtype))
}
