//! Checks the other arguments of operations: pairs of sizes, axes of products, masks, texts, the cache.
//!
//! Tests: `tests/planted.rs`.

use syn::spanned::Spanned;
use syn::{Expr, Lit};

use crate::check::build::Builder;
use crate::diag::{suggest, Diag, Result};
use crate::ir::{contract, Arg, Id, P};
use crate::syntax::dims::Dim;
use crate::syntax::literals::{integer, never_a_count};
use crate::syntax::signature::Ty;

impl Builder<'_> {
    /// One argument of the kinds that are told apart here.
    pub(crate) fn other_argument(&mut self, e: &Expr, kind: P) -> Result<Arg> {
        let at = e.span();
        match (kind, e) {
            (P::Cache, _) => {
                let id = self.value(e, None)?;
                match self.ty(id) {
                    Ty::Cache | Ty::Unknown => Ok(Arg::Value(id)),
                    _ => Err(Diag::expected_cache(at, self.describe(id))),
                }
            }
            (P::Size | P::SizeOr(_) | P::OptSize, _) => Ok(Arg::Dims(vec![self.dim(e)?])),
            (P::Pair | P::PairOr(_) | P::OptPair, Expr::Array(a)) => match a.elems.len() {
                2 => self.size_list(&a.elems),
                n => Err(Diag::expected_one_or_two(at, n)),
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
                        _ => return Err(Diag::expected_pairs(at)),
                    }
                }
                Ok(Arg::Dims(sizes))
            }
            (P::Pairs, _) => Err(Diag::expected_pairs(at)),
            (P::Parts, Expr::Array(a)) => self.size_list(&a.elems),
            (P::Parts, _) => match integer(e) {
                Some(i) => Ok(Arg::Int(i)),
                None => Err(Diag::expected_parts(at)),
            },
            (P::Contract(_), _) => match axes_of_both(e) {
                Some(a) => Ok(a),
                None => Err(Diag::expected_contraction(at)),
            },
            (P::Text, Expr::Lit(l)) => match &l.lit {
                Lit::Str(s) => Ok(Arg::Text(s.value())),
                _ => Err(Diag::expected_text(at)),
            },
            (P::Text, _) => Err(Diag::expected_text(at)),
            (P::Word(words), _) => word(e, words),
            (P::Mask, Expr::Path(p))
                if p.path.is_ident("causal") && self.find("causal").is_none() =>
            {
                Ok(Arg::Causal)
            }
            (P::Mask, Expr::Call(c)) => match &*c.func {
                Expr::Path(p) if p.path.is_ident("sliding") => match c.args.first() {
                    Some(n) if c.args.len() == 1 && self.is_number(n) && !never_a_count(n) => {
                        Ok(Arg::Sliding(self.number(n)))
                    }
                    _ => Err(Diag::expected_window(at)),
                },
                _ => Ok(Arg::Value(self.value(e, None)?)),
            },
            // `let m = causal;` and its like name a mask.
            (P::Mask, Expr::Path(p)) => match self.mask_named(p) {
                Some(mask) => self.argument(&mask, P::Mask),
                None => Ok(Arg::Value(self.value(e, None)?)),
            },
            _ => Ok(Arg::Value(self.value(e, None)?)),
        }
    }

    /// True for `causal` and `sliding(n)`, which no tensor is.
    pub(crate) fn is_mask(&self, e: &Expr) -> bool {
        match e {
            Expr::Path(p) => p.path.is_ident("causal") && self.find("causal").is_none(),
            Expr::Call(c) => matches!(&*c.func, Expr::Path(p) if p.path.is_ident("sliding")),
            Expr::Paren(p) => self.is_mask(&p.expr),
            _ => false,
        }
    }

    /// The mask that a variable names.
    fn mask_named(&self, p: &syn::ExprPath) -> Option<Expr> {
        let name = p.path.get_ident()?.to_string();
        let mask = self.masks.get(&self.find(&name)?)?;
        self.variables.read(&name);
        Some(mask.clone())
    }

    /// `causal & m`: a mask and a bool tensor, both of which must show a key. `q` and `k` are the other arguments.
    pub(crate) fn masked(&mut self, e: &Expr, others: [Option<Id>; 2]) -> Result<Option<Id>> {
        let (left, right) = match e {
            Expr::Paren(p) => return self.masked(&p.expr, others),
            Expr::Binary(b) if matches!(b.op, syn::BinOp::BitAnd(_)) => (&*b.left, &*b.right),
            _ => return Ok(None),
        };
        let named = |b: &Self, e: &Expr| match e {
            Expr::Path(p) => b.mask_named(p).unwrap_or_else(|| e.clone()),
            e => e.clone(),
        };
        let (left, right) = (named(self, left), named(self, right));
        let (mask, tensor) = match (self.is_mask(&left), self.is_mask(&right)) {
            (true, false) => (left, right),
            (false, true) => (right, left),
            _ => return Err(Diag::masks_both(e.span())),
        };
        let tensor = self.value(&tensor, None)?;
        let window = match self.argument(&mask, P::Mask)? {
            Arg::Sliding(n) => Arg::Scalar(n),
            _ => Arg::Absent,
        };
        let [Some(q), Some(k)] = others else {
            return Ok(Some(self.unknown(e.span())));
        };
        let seen = vec![Arg::Value(q), Arg::Value(k), window];
        let seen = self.apply("visible_keys", seen, mask.span())?;
        let both = vec![Arg::Value(seen), Arg::Value(tensor)];
        self.apply("logical_and", both, e.span()).map(Some)
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
    Err(Diag::expected_word(e.span(), known.join(", "), near))
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
