//! Reads the arguments of attributes, and sizes in them.
//!
//! Tests: `tests/planted.rs`.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, Lit, Meta, MetaList, Token, UnOp};

use crate::diag::{foreign, suggest, Diag, Result};
use crate::syntax::condition::{self, is_field};
use crate::syntax::dims::Dim;
use crate::syntax::literals::finite;
use crate::syntax::logic::Facts;
use crate::syntax::names::Names;

/// The terms of a size.
const MOST_TERMS: usize = 1000;

/// Arguments of an attribute: positional expressions, then `key = expr`.
pub(crate) struct Args {
    pub span: Span,
    pub positional: Vec<Expr>,
    pub keyed: Vec<(Ident, Expr)>,
}

impl Args {
    fn none(span: Span) -> Args {
        Args {
            span,
            positional: vec![],
            keyed: vec![],
        }
    }

    pub fn of(attr: &Attribute) -> Result<Args> {
        let mut args = match &attr.meta {
            Meta::Path(_) => Args::none(attr.span()),
            Meta::List(list) => Args::list(list)?,
            Meta::NameValue(nv) => Args {
                positional: vec![finite(nv.value.clone())?],
                ..Args::none(attr.span())
            },
        };
        args.span = attr.span();
        Ok(args)
    }

    pub fn list(list: &MetaList) -> Result<Args> {
        let mut args = Args::none(list.span());
        for e in list.parse_args_with(Punctuated::<Expr, Token![,]>::parse_terminated)? {
            match finite(e)? {
                Expr::Assign(a) => match (&*a.left, a.right) {
                    (Expr::Path(p), value) if p.path.get_ident().is_some() => {
                        let key = p.path.require_ident()?.clone();
                        let twice = args.keyed.iter().any(|(k, _)| *k == key);
                        // These say it in words of their own.
                        let own = ["weights", "dims"].iter().any(|p| list.path.is_ident(p));
                        if twice && !own {
                            return Err(Diag::key_twice(key.span(), key));
                        }
                        args.keyed.push((key, *value));
                    }
                    (left, _) => {
                        let found = left.to_token_stream();
                        return Err(Diag::not_a_keyword(left.span(), found));
                    }
                },
                e if args.keyed.is_empty() => args.positional.push(e),
                e => return Err(Diag::value_after_keys(e.span())),
            }
        }
        Ok(args)
    }

    pub fn take(&mut self, key: &str) -> Option<Expr> {
        let at = self.keyed.iter().position(|(k, _)| k == key)?;
        Some(self.keyed.remove(at).1)
    }

    /// As [`Args::take`], of a condition on the config.
    pub fn take_flag(&mut self, key: &str) -> Result<Option<Expr>> {
        let value = self.take(key);
        if let Some(e) = &value {
            condition::check(e, condition::Names::Bare)?;
        }
        Ok(value)
    }

    /// The positional values as dims, exactly `n` of them.
    pub fn dims(&self, names: &Names, n: usize, what: &str) -> Result<Vec<Dim>> {
        if self.positional.len() != n {
            let found = self.positional.len();
            return Err(Diag::dims_count(self.span, what, n, found));
        }
        self.positional.iter().map(|e| positive(e, names)).collect()
    }

    pub fn finish(self, known: &[&str]) -> Result<()> {
        match self.keyed.first() {
            None => Ok(()),
            Some((key, _)) => {
                let near = suggest(&key.to_string(), known.iter().copied());
                let known: Vec<String> = known.iter().map(|k| format!("`{k}`")).collect();
                let known = match known.len() {
                    _ if !near.is_empty() => String::new(),
                    0 => String::new(),
                    _ => format!("; known are {}", known.join(", ")),
                };
                Err(Diag::unknown_key(key.span(), key, near, known))
            }
        }
    }
}

/// A size of weights, which is 1 or more as far as it is known.
pub fn positive(e: &Expr, names: &Names) -> Result<Dim> {
    let dim = dim_expr(e, names)?;
    match names.facts.at_most(&dim, &Dim::constant(0)) {
        true => Err(Diag::size_below_one(e.span(), names.dim(&dim))),
        false => Ok(dim),
    }
}

/// A dim from an expression, with named sizes expanded.
pub fn dim_expr(e: &Expr, names: &Names) -> Result<Dim> {
    dim_where(e, names, &names.facts)
}

/// As [`dim_expr`], where these facts hold.
pub fn dim_where(e: &Expr, names: &Names, facts: &Facts) -> Result<Dim> {
    let at = e.span();
    match e {
        Expr::Path(p) if names.constant(&p.path).is_some() => {
            names.constant(&p.path).ok_or_else(|| Diag::not_a_size(at))
        }
        Expr::Path(p) if p.path.get_ident().is_some() => {
            let name = p.path.require_ident()?;
            if !is_field(&p.path) {
                return Err(Diag::not_a_size(at));
            }
            names.seen(name);
            let name = name.unraw().to_string();
            Ok(names
                .short
                .get(&name)
                .cloned()
                .unwrap_or_else(|| Dim::name(&name)))
        }
        // A size of a config inside of the config.
        Expr::Field(_)
            if condition::is_place(e, condition::Names::Bare) && !condition::has_element(e) =>
        {
            let name = condition::text(e);
            names.seen_inside(&name, at);
            Ok(Dim::name(&name))
        }
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => match i.base10_parse::<i32>() {
                Ok(n) => Ok(Dim::constant(n.into())),
                Err(_) => Err(Diag::size_too_large(at)),
            },
            _ => Err(Diag::size_not_whole(at)),
        },
        Expr::Paren(p) => dim_where(&p.expr, names, facts),
        Expr::Group(g) => dim_where(&g.expr, names, facts),
        Expr::Unary(u) if matches!((&u.op, &*u.expr), (UnOp::Neg(_), Expr::Lit(_))) => Err(
            Diag::size_below_one(at, names.dim(&dim_expr(&u.expr, names)?.negated())),
        ),
        Expr::Binary(b) => {
            let (l, r) = (
                dim_where(&b.left, names, facts)?,
                dim_where(&b.right, names, facts)?,
            );
            // Products of sums multiply their terms.
            if l.terms().count() * r.terms().count() > MOST_TERMS {
                return Err(Diag::too_deep(at));
            }
            let dim = match b.op {
                syn::BinOp::Add(_) => l.plus(&r),
                syn::BinOp::Sub(_) => l.plus(&r.negated()),
                syn::BinOp::Mul(_) => l.times(&r),
                syn::BinOp::Div(_) => facts
                    .divide_open(&l, &r)
                    .ok_or_else(|| Diag::not_divided(at, names.dim(&r), names.dim(&l)))?,
                op => return Err(Diag::size_operator(op.span(), op.to_token_stream())),
            };
            match dim.is_too_large() {
                true => Err(Diag::size_too_large(at)),
                false => Ok(dim),
            }
        }
        other if shape_of(other).is_some() => {
            let name = shape_of(other).unwrap_or_default();
            let f = foreign::call(&name);
            let (of, theirs, ours) = f.map_or(("", "", ""), |f| (f.of, f.theirs, f.ours));
            Err(Diag::foreign_call(at, name, of, theirs, ours))
        }
        _ => Err(Diag::not_a_size(at)),
    }
}

/// `shape` of `x.shape[0]` and `x.shape(0)`, and `size` of `x.size(0)`.
fn shape_of(e: &Expr) -> Option<String> {
    let name = match e {
        Expr::MethodCall(m) => m.method.to_string(),
        Expr::Index(i) => match &*i.expr {
            Expr::Field(f) => f.member.to_token_stream().to_string(),
            _ => return None,
        },
        _ => return None,
    };
    ["size", "shape"].contains(&name.as_str()).then_some(name)
}
