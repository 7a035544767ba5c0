//! Checks calls of helper functions.
//!
//! Tests: `tests/planted.rs`, `tests/right.rs`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Path};

use crate::check::build::Builder;
use crate::check::calls::{place, result};
use crate::check::values::path_text;
use crate::diag::{Diag, Result};
use crate::ir::{Arg, Callee, Id, Kind};
use crate::syntax::condition::is_keyword;
use crate::syntax::signature::Ty;

impl Builder<'_> {
    /// A helper function, of which only the name is known here: its result is what the place
    /// declares, else the shape of its first tensor. rustc compares both with its signature.
    pub(crate) fn function(
        &mut self,
        path: &Path,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        if let Some(last) = path.segments.last().filter(|s| is_keyword(&s.ident)) {
            let near = String::new();
            return Err(Diag::unknown_operation(last.span(), &last.ident, near));
        }
        let variant = chosen(path, args)?;
        let (path, args) = match &variant {
            Some((path, args)) => (path, &args[..]),
            None => (path, args),
        };
        let values = self.values(args)?;
        let first = values
            .iter()
            .map(|(id, _)| self.ty(*id))
            .find(|t| matches!(t, Ty::Tensor(..) | Ty::Unknown));
        let ret = match (wanted, first) {
            (_, Some(Ty::Unknown)) => return Ok(self.unknown(span)),
            (w, Some(t)) => result(w, t),
            (_, None) => {
                return Err(Diag::no_tensor(path.span(), path_text(path)));
            }
        };
        let callee = (Callee::Function(path.clone()), path_text(path));
        let call = self.expect(callee, &values, (ret.clone(), place(wanted)));
        let args = values.iter().map(|(id, _)| Arg::Value(*id)).collect();
        Ok(self.push(Kind::Function { args, call }, ret, span))
    }
}

/// A call whose arguments say which of them are there: the path of the variant, and what is left. `None` if no argument
/// says it.
fn chosen<'a>(path: &Path, args: &[&'a Expr]) -> Result<Option<(Path, Vec<&'a Expr>)>> {
    let (mut words, mut left, mut at) = (Vec::new(), Vec::new(), None::<Span>);
    for e in args {
        match e {
            Expr::Path(p) if p.path.is_ident("None") => {
                words.push("none");
                at.get_or_insert(p.span());
            }
            Expr::Call(c) if matches!(&*c.func, Expr::Path(p) if p.path.is_ident("Some")) => {
                let Some(inner) = c.args.first().filter(|_| c.args.len() == 1) else {
                    return Err(Diag::kernel_option_type(c.span()));
                };
                words.push("some");
                left.push(inner);
                at.get_or_insert(c.span());
            }
            other => left.push(other),
        }
    }
    let Some(at) = at else { return Ok(None) };
    let mut path = path.clone();
    path.segments.push(Ident::new(&words.join("_"), at).into());
    Ok(Some((path, left)))
}
