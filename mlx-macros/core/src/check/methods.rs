//! Calls of the model's own methods, with arguments in order or by name.
//!
//! Tests: `mlx-tests --test language`, `--test parts`, `--test ui`.

use std::collections::BTreeMap;

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use crate::check::build::Builder;
use crate::check::calls::{substitute, unify};
use crate::diag::{suggest, Diag, Result};
use crate::ir::{Arg, Id, Kind};
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::signature::{Method, Ty};

impl Builder<'_> {
    /// The arguments of a method, of which the last may be given by name.
    fn in_order<'e>(&self, m: &Method, args: &[&'e Expr]) -> Result<Vec<&'e Expr>> {
        let plain = args.iter().take_while(|e| !matches!(e, Expr::Assign(_)));
        let mut found: Vec<Option<&Expr>> = plain.map(|e| Some(*e)).collect();
        let names: Vec<String> = m.args.iter().map(|a| a.name.to_string()).collect();
        for e in &args[found.len()..] {
            let Expr::Assign(a) = e else {
                return Err(Diag::value_after_keys(e.span()));
            };
            let key = a.left.to_token_stream().to_string();
            let Some(at) = names.iter().position(|n| *n == key) else {
                let near = suggest(&key, names.iter().map(String::as_str));
                let takes = format!("({})", names.join(", "));
                return Err(Diag::unknown_argument(
                    a.left.span(),
                    &m.name,
                    key,
                    near,
                    takes,
                ));
            };
            if found.len() <= at {
                found.resize(at + 1, None);
            }
            if found[at].replace(&a.right).is_some() {
                return Err(Diag::argument_twice(e.span(), &m.name, key));
            }
        }
        match found.iter().position(Option::is_none) {
            Some(i) => {
                let takes = format!("({})", names.join(", "));
                Err(Diag::argument_missing(
                    m.name.span(),
                    &m.name,
                    takes,
                    &names[i],
                ))
            }
            None => Ok(found.into_iter().flatten().collect()),
        }
    }

    /// Another method of the same model: its free dims take the arguments' sizes.
    pub(crate) fn method(&mut self, m: &Method, args: &[&Expr], span: Span) -> Result<Id> {
        let args = &self.in_order(m, args)?;
        if !m.broken && args.len() != m.args.len() {
            let names: Vec<String> = m.args.iter().map(|a| a.name.to_string()).collect();
            let names = names.join(", ");
            return Err(Diag::method_arguments(span, &m.name, names, args.len()));
        }
        let values = self.values(args)?;
        if m.broken {
            return Ok(self.unknown(span));
        }
        let mut bound: BTreeMap<String, Dim> = BTreeMap::new();
        // Sizes of several others are compared once these are known.
        for ((id, _), a) in values.iter().zip(&m.args) {
            if let (Ty::Tensor(s, _), Ty::Tensor(want, _)) = (self.ty(*id), &a.ty) {
                let alone = |p: &Dim| p.as_name().filter(|n| is_free(n)).map(String::from);
                for (d, p) in s.iter().zip(want) {
                    if let Some(name) = alone(p) {
                        bound.entry(name).or_insert_with(|| d.clone());
                    }
                }
            }
        }
        for ((id, at), a) in values.iter().zip(&m.args) {
            let fits = match (self.ty(*id), &a.ty) {
                (Ty::Unknown, _) => true,
                (Ty::Tensor(s, d), Ty::Tensor(want, dt)) => d == dt && unify(s, want, &mut bound),
                (x, y) => x == y || (x.is_number() && y.is_number()),
            };
            if !fits {
                let (want, found) = (self.show(&a.ty), self.describe(*id));
                return Err(Diag::method_argument(*at, &a.name, &m.name, want, found));
            }
        }
        let ret = substitute(&m.ret, &bound);
        let list = values.iter().map(|(id, _)| Arg::Value(*id)).collect();
        Ok(self.push(
            Kind::Method {
                name: m.name.clone(),
                args: list,
            },
            ret,
            span,
        ))
    }
}

/// Arguments, and the names of those that have one, by their places.
pub(crate) type Named<'e> = (Vec<&'e Expr>, Vec<(usize, Ident)>);

/// The arguments of a sub-model. Their order is the signature's, which rustc compares.
pub(crate) fn by_name<'e>(args: &[&'e Expr]) -> Result<Named<'e>> {
    let (mut values, mut named) = (Vec::new(), Vec::new());
    for (i, e) in args.iter().enumerate() {
        match e {
            Expr::Assign(a) => {
                let Expr::Path(p) = &*a.left else {
                    return Err(Diag::assigned_expression(a.left.span()));
                };
                named.push((i, p.path.require_ident()?.clone()));
                values.push(&*a.right);
            }
            e if !named.is_empty() => return Err(Diag::value_after_keys(e.span())),
            e => values.push(*e),
        }
    }
    Ok((values, named))
}
