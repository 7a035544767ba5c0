//! Reads conditions on the config: in `#[require]`, of optional layers, and of `if` in bodies.
//!
//! Conditions are computed in f64 because nothing overflows there, and a remainder by zero is NaN, which equals
//! nothing.
//!
//! Tests: unit tests below; `tests/planted.rs`.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, BinOp, Expr, Lit, Member, UnOp};

use crate::diag::{Diag, Result};
use crate::syntax::literals;
use crate::syntax::logic::Facts;

/// The way a condition names a field of the config.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// In attributes: `flag`.
    Bare,
    /// In bodies, where a bare name is a variable: `config.flag`.
    Config,
}

/// Refuses what is not a condition on the config.
pub fn check(e: &Expr, names: Names) -> Result<()> {
    let at = e.span();
    match e {
        Expr::Paren(p) => check(&p.expr, names),
        Expr::Group(g) => check(&g.expr, names),
        Expr::Unary(u) if matches!(u.op, UnOp::Not(_) | UnOp::Neg(_)) => check(&u.expr, names),
        Expr::Binary(b) if matches!(b.op, BinOp::Div(_) | BinOp::Rem(_)) && is_zero(&b.right) => {
            Err(Diag::condition_divisor(b.right.span()))
        }
        Expr::Binary(b) if meant(&b.op) => check(&b.left, names).and(check(&b.right, names)),
        Expr::Lit(l) if matches!(l.lit, Lit::Int(_) | Lit::Float(_) | Lit::Bool(_)) => Ok(()),
        Expr::Path(p) if p.path.is_ident("layer") => Ok(()),
        Expr::Path(p) if names == Names::Bare && is_field(&p.path) => Ok(()),
        Expr::Path(p) => match p.path.get_ident().filter(|_| names == Names::Config) {
            Some(name) => Err(Diag::condition_variable(at, name)),
            None => Err(Diag::not_a_condition(at)),
        },
        Expr::Field(f) => match (&*f.base, &f.member) {
            (Expr::Path(p), Member::Named(_)) if p.path.is_ident("config") => Ok(()),
            _ => Err(Diag::condition_field(at)),
        },
        Expr::MethodCall(m)
            if m.args.is_empty() && (m.method == "is_some" || m.method == "is_none") =>
        {
            check(&m.receiver, names)
        }
        _ => Err(Diag::not_a_condition(at)),
    }
}

fn is_zero(e: &Expr) -> bool {
    matches!(e, Expr::Lit(_)) && literals::literal(e) == Some(0.0)
}

/// Refuses what is not a number of the config: a literal, a field, or a sum or product of these.
pub fn check_number(e: &Expr) -> Result<()> {
    match e {
        Expr::Paren(p) => check_number(&p.expr),
        Expr::Group(g) => check_number(&g.expr),
        Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => check_number(&u.expr),
        Expr::Binary(b)
            if matches!(
                b.op,
                BinOp::Add(_) | BinOp::Sub(_) | BinOp::Mul(_) | BinOp::Div(_)
            ) =>
        {
            check_number(&b.left).and(check_number(&b.right))
        }
        Expr::Lit(l) if matches!(l.lit, Lit::Int(_) | Lit::Float(_)) => literals::in_f32(e),
        Expr::Path(p) if is_field(&p.path) => Ok(()),
        _ => Err(Diag::expected_number(e.span())),
    }
}

/// True if a path can name a field.
pub fn is_field(path: &syn::Path) -> bool {
    path.get_ident().is_some_and(|i| !is_keyword(i))
}

/// True for the keywords of paths, which name no field and no function.
pub fn is_keyword(name: &Ident) -> bool {
    ["self", "Self", "super", "crate"].iter().any(|w| name == w)
}

/// The operators that conditions know.
fn meant(op: &BinOp) -> bool {
    use BinOp::{Add, And, Div, Eq, Ge, Gt, Le, Lt, Mul, Ne, Or, Rem, Sub};
    matches!(
        op,
        Add(_)
            | And(_)
            | Div(_)
            | Eq(_)
            | Ge(_)
            | Gt(_)
            | Le(_)
            | Lt(_)
            | Mul(_)
            | Ne(_)
            | Or(_)
            | Rem(_)
            | Sub(_)
    )
}

/// The expression with a mark at each field that is an `Option` for which the `facts`, or an
/// earlier part of the condition itself, say that it is there.
pub fn guarded(e: &Expr, facts: &Facts) -> Expr {
    struct Guard(Facts);
    impl VisitMut for Guard {
        fn visit_expr_mut(&mut self, e: &mut Expr) {
            if let Expr::MethodCall(_) = e {
                return;
            }
            if let Expr::Binary(b) = e {
                let more = match b.op {
                    BinOp::And(_) => self.0.and(&b.left, true),
                    BinOp::Or(_) => self.0.and(&b.left, false),
                    _ => return visit_mut::visit_expr_mut(self, e),
                };
                self.visit_expr_mut(&mut b.left);
                let around = std::mem::replace(&mut self.0, more);
                self.visit_expr_mut(&mut b.right);
                self.0 = around;
                return;
            }
            let there = matches!(e, Expr::Field(_) | Expr::Path(_)) && self.0.is_there(&text(e));
            let attrs = match e {
                Expr::Field(f) => &mut f.attrs,
                Expr::Path(p) => &mut p.attrs,
                other => return visit_mut::visit_expr_mut(self, other),
            };
            if there && attrs.is_empty() {
                attrs.push(mark());
            }
        }
    }
    let mut e = e.clone();
    Guard(facts.clone()).visit_expr_mut(&mut e);
    e
}

fn mark() -> Attribute {
    syn::parse_quote!(#[guarded])
}

pub(crate) fn is_guarded(e: &Expr) -> bool {
    match e {
        Expr::Field(f) => f.attrs.iter().any(|a| a.path().is_ident("guarded")),
        Expr::Path(p) => p.attrs.iter().any(|a| a.path().is_ident("guarded")),
        _ => false,
    }
}

/// A condition in one spelling, with the config's fields bare and parentheses where they matter.
pub fn text(e: &Expr) -> String {
    let part = |e: &Expr, least: u8| match strength(bare(e)) < least {
        true => format!("({})", text(e)),
        false => text(e),
    };
    match bare(e) {
        Expr::Field(f) => f.member.to_token_stream().to_string(),
        Expr::Unary(u) => format!("{}{}", u.op.to_token_stream(), part(&u.expr, 6)),
        Expr::Binary(b) => {
            let (own, op) = (strength(bare(e)), b.op.to_token_stream());
            format!("{} {op} {}", part(&b.left, own), part(&b.right, own + 1))
        }
        Expr::MethodCall(m) => format!("{}.{}()", text(&m.receiver), m.method),
        other => other.to_token_stream().to_string(),
    }
}

/// The precedence of an operator, as in Rust.
pub(crate) fn strength(e: &Expr) -> u8 {
    let Expr::Binary(b) = e else { return 6 };
    match b.op {
        BinOp::Mul(_) | BinOp::Div(_) | BinOp::Rem(_) => 5,
        BinOp::Add(_) | BinOp::Sub(_) => 4,
        BinOp::And(_) => 2,
        BinOp::Or(_) => 1,
        _ => 3,
    }
}

/// An expression without the parentheses around it.
pub(crate) fn bare(e: &Expr) -> &Expr {
    match e {
        Expr::Paren(p) => bare(&p.expr),
        Expr::Group(g) => bare(&g.expr),
        other => other,
    }
}

/// The config fields in a condition.
pub fn fields(e: &Expr) -> Vec<syn::Ident> {
    use syn::visit::Visit;
    struct Names(Vec<syn::Ident>);
    impl Visit<'_> for Names {
        fn visit_path(&mut self, p: &syn::Path) {
            if let Some(i) = p.get_ident() {
                if !self.0.contains(i) && i != "config" && i != "layer" {
                    self.0.push(i.clone());
                }
            }
        }
    }
    let mut names = Names(Vec::new());
    names.visit_expr(e);
    names.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(s: &str) -> Expr {
        syn::parse_str(s).unwrap()
    }

    #[test]
    fn one_spelling_in_attributes_and_bodies() {
        assert_eq!(text(&e("config.qk_norm")), text(&e("qk_norm")));
        let body = e("(layer + 1) % config.pattern != 0 && config.window > 0");
        assert_eq!(text(&body), "(layer + 1) % pattern != 0 && window > 0");
        assert_ne!(text(&e("!(a || b)")), text(&e("!a || b")));
        assert_ne!(text(&e("a - (b - c) > 0")), text(&e("a - b - c > 0")));
        assert_eq!(text(&e("((a)) && (!(b))")), text(&e("a && !b")));
    }

    #[test]
    fn variables_are_no_conditions() {
        assert!(check(&e("config.flag && layer > 2"), Names::Config).is_ok());
        assert!(check(&e("x > 2"), Names::Config).is_err());
        assert!(check(&e("f(config.x)"), Names::Config).is_err());
        assert!(check(&e("layer & 1 == 0"), Names::Config).is_err());
    }
}
