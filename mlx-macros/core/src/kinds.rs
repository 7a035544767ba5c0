//! Arguments of operations that are neither tensors nor plain numbers: sizes, pairs of them, axes
//! of products, masks, texts and the cache.

use syn::spanned::Spanned;
use syn::{Expr, Lit};

use crate::arguments::integer;
use crate::build::Builder;
use crate::diag::{suggest, Code, Diag, Result};
use crate::dims::Dim;
use crate::ir::Arg;
use crate::ops::{contract, P};
use crate::signature::Ty;

impl Builder<'_> {
    /// One argument of the kinds that are told apart here.
    pub(crate) fn other_argument(&mut self, e: &Expr, kind: P) -> Result<Arg> {
        let bad = |text: &str| Err(Diag::new(Code::ArgumentKind, e.span(), text.to_string()));
        match (kind, e) {
            (P::Cache, _) => {
                let id = self.value(e, None)?;
                match self.ty(id) {
                    Ty::Cache | Ty::Unknown => Ok(Arg::Value(id)),
                    _ => bad(&format!("expected the cache, but {}", self.describe(id))),
                }
            }
            (P::Size | P::SizeOr(_) | P::OptSize, _) => Ok(Arg::Dims(vec![self.dim(e)?])),
            (P::Pair | P::PairOr(_) | P::OptPair, Expr::Array(a)) => match a.elems.len() {
                2 => self.size_list(&a.elems),
                n => bad(&format!("expected one size or two, found {n}")),
            },
            (P::Pair | P::PairOr(_) | P::OptPair, _) => Ok(Arg::Dims(vec![self.dim(e)?; 2])),
            (P::Pairs, Expr::Array(a)) => {
                let mut sizes = Vec::new();
                for pair in &a.elems {
                    match pair {
                        Expr::Tuple(t) if t.elems.len() == 2 => {
                            for e in &t.elems {
                                sizes.push(self.dim(e)?);
                            }
                        }
                        _ => return bad("expected a pair for each axis, `[(0, 0), (1, 1)]`"),
                    }
                }
                Ok(Arg::Dims(sizes))
            }
            (P::Pairs, _) => bad("expected a pair for each axis, `[(0, 0), (1, 1)]`"),
            (P::Parts, Expr::Array(a)) => self.size_list(&a.elems),
            (P::Parts, _) => match integer(e) {
                Some(i) => Ok(Arg::Int(i)),
                None => bad("expected a number of parts, or sizes such as `[q, kv, kv]`"),
            },
            (P::Contract(_), _) => match axes_of_both(e) {
                Some(a) => Ok(a),
                None => bad("expected a number of axes, or as many of each side: `[[1, 2], [0, 1]]`"),
            },
            (P::Text, Expr::Lit(l)) => match &l.lit {
                Lit::Str(s) => Ok(Arg::Text(s.value())),
                _ => bad("expected a text in quotes"),
            },
            (P::Text, _) => bad("expected a text in quotes"),
            (P::Word(words), _) => word(e, words),
            (P::Mask, Expr::Path(p)) if p.path.is_ident("causal") && self.find("causal").is_none() => {
                Ok(Arg::Causal)
            }
            (P::Mask, Expr::Call(c)) => match &*c.func {
                Expr::Path(p) if p.path.is_ident("sliding") => match c.args.first() {
                    Some(n) if c.args.len() == 1 && self.is_number(n) => Ok(Arg::Sliding(n.clone())),
                    _ => bad("expected the number of keys that a query sees: `sliding(config.sliding_window)`"),
                },
                _ => Ok(Arg::Value(self.value(e, None)?)),
            },
            _ => Ok(Arg::Value(self.value(e, None)?)),
        }
    }

    fn size_list<'e>(&self, all: impl IntoIterator<Item = &'e Expr>) -> Result<Arg> {
        let sizes: Result<Vec<Dim>> = all.into_iter().map(|e| self.dim(e)).collect();
        Ok(Arg::Dims(sizes?))
    }
}

/// One of some words, in quotes as MLX has them.
fn word(e: &Expr, words: &[&str]) -> Result<Arg> {
    let found = match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Str(s) => s.value(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    if words.contains(&found.as_str()) {
        return Ok(Arg::Text(found));
    }
    let known: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
    let near = suggest(&found, words.iter().copied());
    let text = format!("expected one of {}{near}", known.join(", "));
    Err(Diag::new(Code::ArgumentKind, e.span(), text))
}

/// `2`, or `[[1, 2], [0, 1]]`: the axes of the left side, then those of the right.
fn axes_of_both(e: &Expr) -> Option<Arg> {
    if let Some(n) = integer(e) {
        return (0..=16).contains(&n).then(|| contract(n));
    }
    let Expr::Array(a) = e else { return None };
    let mut sides = a.elems.iter().map(|side| match side {
        Expr::Array(s) => s.elems.iter().map(integer).collect::<Option<Vec<i64>>>(),
        _ => None,
    });
    let (Some(Some(left)), Some(Some(right)), None) = (sides.next(), sides.next(), sides.next())
    else {
        return None;
    };
    (left.len() == right.len()).then(|| Arg::Ints([left, right].concat()))
}
