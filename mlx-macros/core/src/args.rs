//! Arguments of attributes, and sizes in them.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, Lit, Meta, Token};

use crate::diag::{suggest, Code, Diag, Result};
use crate::dims::{Dim, Names};

/// Arguments of an attribute: positional expressions, then `key = expr`.
pub(crate) struct Args {
    pub span: Span,
    pub positional: Vec<Expr>,
    pub keyed: Vec<(Ident, Expr)>,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Args {
            span: input.span(),
            positional: vec![],
            keyed: vec![],
        };
        for e in Punctuated::<Expr, Token![,]>::parse_terminated(input)? {
            match e {
                Expr::Assign(a) => match (&*a.left, a.right) {
                    (Expr::Path(p), value) if p.path.get_ident().is_some() => {
                        let key = p.path.require_ident()?.clone();
                        args.keyed.push((key, *value));
                    }
                    (left, _) => {
                        return Err(syn::Error::new(left.span(), "expected `key = value`"))
                    }
                },
                e if args.keyed.is_empty() => args.positional.push(e),
                e => {
                    let text = "values without a key come first";
                    return Err(syn::Error::new(e.span(), text));
                }
            }
        }
        Ok(args)
    }
}

impl Args {
    pub fn of(attr: &Attribute) -> Result<Args> {
        let mut args = match &attr.meta {
            Meta::Path(_) => Args {
                span: attr.span(),
                positional: vec![],
                keyed: vec![],
            },
            Meta::List(list) => list.parse_args::<Args>()?,
            Meta::NameValue(nv) => Args {
                span: attr.span(),
                positional: vec![nv.value.clone()],
                keyed: vec![],
            },
        };
        args.span = attr.span();
        Ok(args)
    }

    pub fn take(&mut self, key: &str) -> Option<Expr> {
        let at = self.keyed.iter().position(|(k, _)| k == key)?;
        Some(self.keyed.remove(at).1)
    }

    /// The positional values as dims, exactly `n` of them.
    pub fn dims(&self, names: &Names, n: usize, what: &str) -> Result<Vec<Dim>> {
        if self.positional.len() != n {
            let text = format!("{what} takes {n} dim(s), found {}", self.positional.len());
            return Err(Diag::new(Code::ParamRank, self.span, text));
        }
        self.positional.iter().map(|e| dim_expr(e, names)).collect()
    }

    pub fn finish(self, known: &[&str]) -> Result<()> {
        match self.keyed.first() {
            None => Ok(()),
            Some((key, _)) => {
                let near = suggest(&key.to_string(), known.iter().copied());
                let text = format!("unknown argument `{key}`{near}");
                Err(Diag::new(Code::Attribute, key.span(), text))
            }
        }
    }
}

/// A dim from an expression, with named sizes expanded.
pub fn dim_expr(e: &Expr, names: &Names) -> Result<Dim> {
    let bad = |text: &str| Diag::new(Code::DimExpr, e.span(), text.to_string());
    match e {
        Expr::Path(p) if p.path.get_ident().is_some() => {
            let name = p.path.require_ident()?.unraw().to_string();
            Ok(names
                .short
                .get(&name)
                .cloned()
                .unwrap_or_else(|| Dim::name(&name)))
        }
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => Ok(Dim::constant(i.base10_parse()?)),
            _ => Err(bad("a size is a whole number")),
        },
        Expr::Paren(p) => dim_expr(&p.expr, names),
        Expr::Group(g) => dim_expr(&g.expr, names),
        Expr::Binary(b) => {
            let (l, r) = (dim_expr(&b.left, names)?, dim_expr(&b.right, names)?);
            match b.op {
                syn::BinOp::Add(_) => Ok(l.plus(&r)),
                syn::BinOp::Sub(_) => Ok(l.plus(&r.negated())),
                syn::BinOp::Mul(_) => Ok(l.times(&r)),
                syn::BinOp::Div(_) => names.divide(&l, &r).ok_or_else(|| {
                    let text = format!(
                        "`{}` is not known to divide `{}`",
                        names.dim(&r),
                        names.dim(&l)
                    );
                    bad(&text)
                }),
                _ => Err(bad("this operator has no meaning for sizes")),
            }
        }
        _ => Err(bad("not a size")),
    }
}
