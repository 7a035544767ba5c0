//! Arguments of operations of the row tier: axes and flags.
//!
//! Tests: `tests/kernels.rs`.

use crate::ir::{Arg, Op};

/// A list of axes from an argument, counted from 0; none means all.
pub(super) fn axes(arg: Option<&Arg>, rank: usize) -> Vec<usize> {
    let place = |a: i64| if a < 0 { a + rank as i64 } else { a } as usize;
    match arg {
        Some(Arg::Int(a)) => vec![place(*a)],
        Some(Arg::Ints(list)) if !list.is_empty() => list.iter().map(|a| place(*a)).collect(),
        _ => (0..rank).collect(),
    }
}

/// The axis that the argument of that name says, counted from 0.
pub(super) fn axis_of(op: &Op, args: &[Arg], rank: usize) -> usize {
    let at = op.params.iter().position(|p| p.0 == "axis");
    let named = axes(at.and_then(|at| args.get(at)), rank);
    named.first().copied().unwrap_or(0)
}

/// True if a loss is one number for each place, or the operation is none.
pub(super) fn is_for_each(op: &Op, args: &[Arg]) -> bool {
    let at = op.params.iter().position(|p| p.0 == "reduction");
    match at.and_then(|at| args.get(at)) {
        Some(Arg::Text(word)) => word == "none",
        _ => true,
    }
}

/// True if a literal flag is set.
pub(super) fn flag(arg: Option<&Arg>) -> bool {
    matches!(arg, Some(Arg::Bool(syn::Expr::Lit(l))) if matches!(&l.lit, syn::Lit::Bool(b) if b.value))
}
