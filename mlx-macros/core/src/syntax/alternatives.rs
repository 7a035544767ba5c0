//! Reads conditions on the config as alternatives: conjunctions of comparisons, remainders, flags and choices.
//!
//! Tests: `logic.rs`.

use quote::ToTokens;
use syn::{BinOp, Expr, Lit, UnOp};

use crate::syntax::condition::{bare, chosen, text};
use crate::syntax::linear::Linear;

/// Alternatives beyond this number are not looked at.
pub(super) const MOST_BRANCHES: usize = 64;

/// A part of a condition, without `&&`, `||` and `!`.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    /// The sum is above zero, or at least zero.
    Above(Linear, bool),
    /// The sum is zero.
    Zero(Linear),
    /// The sum is not zero.
    NotZero(Linear),
    /// The sum divided by a number leaves this rest, or another one.
    Rest(Linear, i64, i64, bool),
    /// The sum is at least zero where all of its names are sizes: a multiple is no less than what
    /// divides it.
    Multiple(Linear),
    /// A flag is set or not.
    Flag(String, bool),
    /// A text or enum has this value, or not.
    Choice(String, String, bool),
}

/// A number of the config as a sum. A part that is not linear is a name of its own.
pub(super) fn linear(e: &Expr) -> Linear {
    let own = |e: &Expr| Linear::name(&format!("({})", text(e).replace('*', " times ")));
    match e {
        Expr::Paren(p) => linear(&p.expr),
        Expr::Group(g) => linear(&g.expr),
        Expr::Cast(c) => linear(&c.expr),
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => i.base10_parse().map_or_else(|_| own(e), Linear::number),
            Lit::Float(f) => f.base10_parse().map_or_else(|_| own(e), Linear::number),
            _ => own(e),
        },
        Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => linear(&u.expr).times(-1.0),
        Expr::Binary(b) => match b.op {
            BinOp::Add(_) => linear(&b.left).plus(&linear(&b.right)),
            BinOp::Sub(_) => linear(&b.left).plus(&linear(&b.right).times(-1.0)),
            BinOp::Mul(_) => linear(&b.left).product(&linear(&b.right)),
            _ => own(e),
        },
        Expr::Path(_) | Expr::Field(_) | Expr::Index(_) => Linear::name(&text(e)),
        other => own(other),
    }
}

/// The alternatives of a condition, or of its opposite.
pub(super) fn branches(e: &Expr, holds: bool) -> Vec<Vec<Literal>> {
    match e {
        Expr::Paren(p) => branches(&p.expr, holds),
        Expr::Group(g) => branches(&g.expr, holds),
        Expr::Unary(u) if matches!(u.op, UnOp::Not(_)) => branches(&u.expr, !holds),
        Expr::Lit(l) => match &l.lit {
            Lit::Bool(b) if b.value == holds => vec![vec![]],
            Lit::Bool(_) => vec![],
            _ => vec![vec![]],
        },
        Expr::MethodCall(m) => {
            let set = (m.method == "is_some") == holds;
            vec![vec![Literal::Flag(
                format!("{}.is_some()", text(&m.receiver)),
                set,
            )]]
        }
        Expr::Binary(b) => match (b.op, holds) {
            (BinOp::And(_), true) | (BinOp::Or(_), false) => {
                let (l, r) = (branches(&b.left, holds), branches(&b.right, holds));
                match l.len() * r.len() > MOST_BRANCHES {
                    true => l,
                    false => product(&l, &r),
                }
            }
            (BinOp::And(_), false) | (BinOp::Or(_), true) => {
                let mut all = branches(&b.left, holds);
                all.extend(branches(&b.right, holds));
                all
            }
            _ => comparison(b, holds),
        },
        other => vec![vec![Literal::Flag(text(other), holds)]],
    }
}

fn comparison(b: &syn::ExprBinary, holds: bool) -> Vec<Vec<Literal>> {
    let flag = |e: &Expr| match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Bool(b) => Some(b.value),
            _ => None,
        },
        _ => None,
    };
    let equal = matches!(b.op, BinOp::Eq(_)) == holds;
    if let Some((place, value)) = chosen(b) {
        return vec![vec![Literal::Choice(text(place), text(value), equal)]];
    }
    if matches!(b.op, BinOp::Eq(_) | BinOp::Ne(_)) {
        match (flag(&b.left), flag(&b.right)) {
            (Some(set), _) => return branches(&b.right, equal == set),
            (_, Some(set)) => return branches(&b.left, equal == set),
            _ => {}
        }
        if let Some(rest) = rest(b, equal) {
            let least = match &rest {
                Literal::Rest(l, m, 0, true) => Some(l.plus(&Linear::number(-(*m as f64)))),
                _ => None,
            };
            return vec![std::iter::once(rest)
                .chain(least.map(Literal::Multiple))
                .collect()];
        }
    }
    let difference = linear(&b.left).plus(&linear(&b.right).times(-1.0));
    let below = difference.times(-1.0);
    let literal = match (b.op, holds) {
        (BinOp::Gt(_), true) | (BinOp::Le(_), false) => Literal::Above(difference, true),
        (BinOp::Ge(_), true) | (BinOp::Lt(_), false) => Literal::Above(difference, false),
        (BinOp::Lt(_), true) | (BinOp::Ge(_), false) => Literal::Above(below, true),
        (BinOp::Le(_), true) | (BinOp::Gt(_), false) => Literal::Above(below, false),
        (BinOp::Eq(_), true) | (BinOp::Ne(_), false) => Literal::Zero(difference),
        (BinOp::Ne(_), true) | (BinOp::Eq(_), false) => Literal::NotZero(difference),
        _ => Literal::Flag(b.to_token_stream().to_string(), holds),
    };
    vec![divisible(b, literal)]
}

/// `a % b == 0` of two names says that `b` is at most `a` too.
fn divisible(b: &syn::ExprBinary, literal: Literal) -> Vec<Literal> {
    let zero = |e: &Expr| linear(e) == Linear::default();
    let mut all = vec![literal];
    if let (Literal::Zero(_), Expr::Binary(rem), true) = (&all[0], bare(&b.left), zero(&b.right)) {
        if matches!(rem.op, BinOp::Rem(_)) {
            let difference = linear(&rem.left).plus(&linear(&rem.right).times(-1.0));
            all.push(Literal::Multiple(difference));
        }
    }
    all
}

/// `a % 4 == 1`.
fn rest(b: &syn::ExprBinary, equal: bool) -> Option<Literal> {
    let Expr::Binary(rem) = bare(&b.left) else {
        return None;
    };
    let number = |e: &Expr| match linear(e) {
        l if l.terms.is_empty() && l.constant.fract() == 0.0 && l.constant.abs() < 1e15 => {
            Some(l.constant as i64)
        }
        _ => None,
    };
    let (m, r) = (number(&rem.right)?, number(&b.right)?);
    let mut of = linear(&rem.left);
    if !matches!(rem.op, BinOp::Rem(_)) || m < 1 || of.constant.fract() != 0.0 {
        return None;
    }
    if of.constant.abs() > 1e15 {
        return None;
    }
    if r < 0 || r >= m {
        return Some(Literal::Rest(of, m, r, equal));
    }
    // (a + 1) % 4 == 0 is a % 4 == 3.
    let r = (r - of.constant as i64 % m).rem_euclid(m);
    of.constant = 0.0;
    Some(Literal::Rest(of, m, r, equal))
}

pub(super) fn product(a: &[Vec<Literal>], b: &[Vec<Literal>]) -> Vec<Vec<Literal>> {
    let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
    pairs.map(|(x, y)| [x.as_slice(), y].concat()).collect()
}
