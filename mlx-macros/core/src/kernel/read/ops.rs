//! Arguments of operations of the row tier: axes and flags.
//!
//! Tests: `tests/kernels.rs`.

use crate::ir::Arg;

/// A list of axes from an argument, counted from 0; none means all.
pub(super) fn axes(arg: Option<&Arg>, rank: usize) -> Vec<usize> {
    let place = |a: i64| if a < 0 { a + rank as i64 } else { a } as usize;
    match arg {
        Some(Arg::Int(a)) => vec![place(*a)],
        Some(Arg::Ints(list)) if !list.is_empty() => list.iter().map(|a| place(*a)).collect(),
        _ => (0..rank).collect(),
    }
}

/// True if a literal flag is set.
pub(super) fn flag(arg: Option<&Arg>) -> bool {
    matches!(arg, Some(Arg::Bool(syn::Expr::Lit(l))) if matches!(&l.lit, syn::Lit::Bool(b) if b.value))
}
