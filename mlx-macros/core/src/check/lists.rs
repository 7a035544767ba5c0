//! Lists of a body: values that are pushed, one by one or in a loop, and joined along an axis.
//!
//! Tests: `mlx-tests --test loops`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use super::build::Builder;
use crate::diag::{Diag, Result};
use crate::ir::{Arg, Id, Kind};
use crate::syntax::signature::Ty;

impl Builder<'_> {
    /// `let mut all = vec![];`, or with values in it.
    pub(crate) fn list(&mut self, m: &syn::ExprMacro) -> Result<Id> {
        type Values = syn::punctuated::Punctuated<Expr, syn::Token![,]>;
        let values = m.mac.parse_body_with(Values::parse_terminated)?;
        let id = self.push(Kind::Tuple(vec![]), Ty::Tuple(vec![]), m.span());
        self.lists.insert(id, Ty::Unknown);
        let mut list = id;
        for e in &values {
            let value = self.value(e, None)?;
            let ty = self.ty(value).clone();
            list = self.longer(list, value, &ty, e.span())?;
        }
        Ok(list)
    }

    /// `all.push(h);`
    pub(crate) fn push_value(&mut self, list: &Ident, args: &[&Expr], span: Span) -> Result<()> {
        let [value] = args else {
            return Err(Diag::push_form(span));
        };
        let id = self.value(value, None)?;
        let ty = self.ty(id).clone();
        match &mut self.looped {
            Some(l) if l.arms > 0 => Err(Diag::push_in_if(span)),
            Some(l) => {
                l.pushed.push((list.to_string(), id));
                Ok(())
            }
            None => self.grow(&list.to_string(), id, &ty, span),
        }
    }

    /// A list with one more value, or with one of each layer of a loop.
    pub(super) fn grow(&mut self, list: &str, id: Id, element: &Ty, span: Span) -> Result<()> {
        let Some(old) = self.find(list).filter(|id| self.lists.contains_key(id)) else {
            return Err(Diag::push_form(span));
        };
        let new = self.longer(old, id, element, span)?;
        self.variables.grown(list);
        self.variables.place(list, new);
        Ok(())
    }

    fn longer(&mut self, list: Id, id: Id, element: &Ty, span: Span) -> Result<Id> {
        let known = self.lists.get(&list).cloned().unwrap_or(Ty::Unknown);
        if known != Ty::Unknown && *element != Ty::Unknown && known != *element {
            let (want, found) = (self.show(&known), self.describe(id));
            return Err(Diag::list_of_others(span, want, found));
        }
        let mut parts = match &self.graph.nodes[list].kind {
            Kind::Tuple(parts) => parts.clone(),
            _ => vec![],
        };
        parts.push(id);
        let types = parts.iter().map(|id| self.ty(*id).clone()).collect();
        let new = self.push(Kind::Tuple(parts), Ty::Tuple(types), span);
        self.lists.insert(new, element.clone());
        Ok(new)
    }

    /// The list that an expression names.
    pub(crate) fn list_of(&self, e: &Expr) -> Option<Id> {
        let Expr::Path(p) = e else { return None };
        let id = self.find(&p.path.get_ident()?.to_string())?;
        self.lists.contains_key(&id).then_some(id)
    }

    /// `stack(all, axis)` and `concatenate(all, axis)` of a list.
    pub(crate) fn join_list(
        &mut self,
        name: &str,
        list: Id,
        args: &[&Expr],
        span: Span,
    ) -> Result<Id> {
        if let Some(Expr::Path(p)) = args.first() {
            p.path
                .get_ident()
                .iter()
                .for_each(|n| self.variables.read(&n.to_string()));
        }
        let axis = match args {
            [_] => 0,
            [_, Expr::Assign(a)] => self.small_axis(&a.right)?,
            [_, axis] => self.small_axis(axis)?,
            _ => return Err(Diag::expected_integer(span)),
        };
        let Kind::Tuple(parts) = &self.graph.nodes[list].kind else {
            return Ok(self.unknown(span));
        };
        let (parts, element) = (parts.clone(), self.lists.get(&list).cloned());
        let Some(Ty::Tensor(shape, _)) = element else {
            return Err(Diag::list_empty(span));
        };
        let stacks = name == "stack";
        let rank = shape.len() as i64 + i64::from(stacks);
        let at = if axis < 0 { axis + rank } else { axis };
        if !(0..rank).contains(&at) {
            let found = format!("the elements are {}", self.model.names.shape(&shape));
            return Err(Diag::axis_outside(span, name, axis, found));
        }
        // All as [n, ..], then the first axis goes to its place.
        let mut all = Vec::new();
        for id in parts {
            let one = matches!(self.ty(id), Ty::Tensor(s, _) if s.len() == shape.len());
            all.push(match one {
                true => self.apply("expand_dims", vec![Arg::Value(id), Arg::Int(0)], span)?,
                false => id,
            });
        }
        let whole = match all[..] {
            [one] => one,
            _ => self.apply("concatenate", vec![Arg::Values(all), Arg::Int(0)], span)?,
        };
        let moved = vec![Arg::Value(whole), Arg::Int(0), Arg::Int(at)];
        let moved = self.apply("moveaxis", moved, span)?;
        match stacks {
            true => Ok(moved),
            false => {
                let axes = vec![Arg::Value(moved), Arg::Int(at), Arg::Int(at + 1)];
                self.apply("flatten", axes, span)
            }
        }
    }

    fn small_axis(&self, e: &Expr) -> Result<i64> {
        crate::syntax::literals::small(e).ok_or_else(|| Diag::expected_integer(e.span()))
    }
}
