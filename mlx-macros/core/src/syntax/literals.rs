//! Reads literal numbers: their values and ranges.
//!
//! Tests: `tests/planted.rs`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Expr, Lit, UnOp};

use crate::diag::{Diag, Result};

/// An expression without numbers beyond the range of a float.
pub(crate) fn finite(e: Expr) -> Result<Expr> {
    match infinite(&e) {
        None => Ok(e),
        Some(at) => Err(Diag::number_too_large(at)),
    }
}

/// The place of a number beyond the range of a float.
pub(crate) fn infinite(e: &Expr) -> Option<Span> {
    struct Numbers(Option<Span>);
    impl Visit<'_> for Numbers {
        fn visit_lit(&mut self, l: &Lit) {
            let value = match l {
                Lit::Int(i) => i.base10_parse::<f64>(),
                Lit::Float(f) => f.base10_parse::<f64>(),
                _ => return,
            };
            if !value.is_ok_and(f64::is_finite) {
                self.0.get_or_insert(l.span());
            }
        }
    }
    let mut found = Numbers(None);
    found.visit_expr(e);
    found.0
}

/// The number that an expression of literals is.
pub(crate) fn literal(e: &Expr) -> Option<f64> {
    match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => i.base10_parse().ok(),
            Lit::Float(f) => f.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => Some(-literal(&u.expr)?),
        Expr::Paren(p) => literal(&p.expr),
        Expr::Group(g) => literal(&g.expr),
        _ => None,
    }
}

/// True if a number is one of 32 bits too: neither infinite there nor, of something, zero.
pub(crate) fn fits_f32(x: f64) -> bool {
    let narrow = x as f32;
    narrow.is_finite() && (narrow != 0.0 || x == 0.0)
}

/// Refuses a literal that no number of 32 bits is close to.
pub(crate) fn in_f32(e: &Expr) -> Result<()> {
    match literal(e) {
        Some(x) if !fits_f32(x) => Err(Diag::number_too_large(e.span())),
        _ => Ok(()),
    }
}

/// True if a number is known to be no whole number of 1 or more.
pub(crate) fn never_a_count(e: &Expr) -> bool {
    match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => !i.base10_parse::<i32>().is_ok_and(|n| n > 0),
            _ => true,
        },
        Expr::Unary(u) => matches!(u.op, UnOp::Neg(_)),
        Expr::Paren(p) => never_a_count(&p.expr),
        Expr::Group(g) => never_a_count(&g.expr),
        _ => false,
    }
}

/// A literal whole number, with its sign.
pub(crate) fn integer(e: &Expr) -> Option<i64> {
    match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => i.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => integer(&u.expr)?.checked_neg(),
        _ => None,
    }
}

/// A literal whole number that MLX can take as an axis or a count.
pub(crate) fn small(e: &Expr) -> Option<i64> {
    integer(e).filter(|i| i32::try_from(*i).is_ok())
}

/// True if a number is written as a whole one, however large.
pub(crate) fn whole_literal(e: &Expr) -> bool {
    match e {
        Expr::Lit(l) => matches!(l.lit, Lit::Int(_)),
        Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => whole_literal(&u.expr),
        _ => false,
    }
}

/// True if a number is a literal whole one.
pub(crate) fn whole(e: &Expr) -> bool {
    integer(e).is_some()
}
