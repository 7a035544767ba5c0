//! Checks states and caches inside of a cache: `state.h`, `cache.cross`, `cache.keep(k, v)`.
//!
//! A state is a variable that begins with the value of the tokens before. Its last value is kept for those that follow.
//!
//! Tests: `mlx-tests --test parts`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Expr, ExprField, Ident, Member};

use super::build::Builder;
use crate::diag::{suggest, Diag, Result};
use crate::ir::{Held, Id, Kind};
use crate::syntax::signature::{Argument, Method, Ty};

impl Builder<'_> {
    /// Binds the states of an argument.
    pub(super) fn states(&mut self, a: &Argument) {
        let Some(cache) = self.find(&a.name.to_string()) else {
            return;
        };
        for (name, ty) in &a.states {
            let text = format!("{}.{name}", a.name);
            let what = match ty {
                Ty::Cache => Held::Part(name.to_string()),
                _ => Held::State(name.to_string()),
            };
            let kind = Kind::Held {
                cache,
                what,
                values: vec![],
            };
            let id = self.push(kind, ty.clone(), name.span());
            self.graph.nodes[id].name = Some(text.clone());
            self.variables.bind(text.clone(), name.span(), true, id);
            if *ty == Ty::Cache {
                // Its layers change it.
                self.variables.grown(&text);
            }
        }
        if !a.states.is_empty() {
            self.variables.read(&a.name.to_string());
        }
    }

    /// Keeps the last values of the states.
    pub(super) fn states_after(&mut self, method: &Method) {
        for a in &method.args {
            for (name, _) in a.states.iter().filter(|(_, ty)| *ty != Ty::Cache) {
                let text = format!("{}.{name}", a.name);
                let found = (self.find(&a.name.to_string()), self.find(&text));
                let (Some(cache), Some(value)) = found else {
                    continue;
                };
                // The value that it had is there still.
                let own = Held::State(name.to_string());
                if matches!(&self.graph.nodes[value].kind, Kind::Held { what, .. } if *what == own)
                {
                    continue;
                }
                self.variables.read_last(&text);
                let kind = Kind::Held {
                    cache,
                    what: Held::NewState(name.to_string()),
                    values: vec![value],
                };
                self.push(kind, Ty::Tuple(vec![]), name.span());
            }
        }
    }

    /// The name of the state that an expression is, if its base is a `State![..]`.
    pub(super) fn state(&self, f: &ExprField) -> Result<Option<String>> {
        let (Expr::Path(p), Member::Named(name)) = (&*f.base, &f.member) else {
            return Ok(None);
        };
        let Some(base) = p.path.get_ident().map(ToString::to_string) else {
            return Ok(None);
        };
        let prefix = format!("{base}.");
        let all: Vec<&str> = self.variables.names().collect();
        let mut own = all.iter().filter_map(|n| n.strip_prefix(&prefix));
        let text = format!("{prefix}{name}");
        match own.next().is_some() {
            false => Ok(None),
            true if self.looped.is_some() => Err(Diag::state_in_loop(f.span(), name)),
            true if all.contains(&text.as_str()) => Ok(Some(text)),
            true => {
                let known = all.iter().filter_map(|n| n.strip_prefix(&prefix));
                let near = suggest(&name.to_string(), known);
                Err(Diag::unknown_state(name.span(), &base, name, near))
            }
        }
    }

    /// `state.h = e;`
    pub(super) fn set_state(&mut self, name: &str, at: Span, id: Id) -> Result<()> {
        if let Some(old) = self.find(name) {
            if *self.ty(old) == Ty::Cache {
                return Err(Diag::assigned_expression(at));
            }
            if !self.ty(id).fits(self.ty(old)) {
                let (want, found) = (self.show(self.ty(old)), self.describe(id));
                return Err(Diag::state_changes(at, name, want, found));
            }
        }
        self.variables.assign(name, at, id);
        Ok(())
    }

    /// The cache that an expression names, or a part of one.
    pub(crate) fn cache_in(&mut self, e: &Expr) -> Option<Id> {
        match e {
            Expr::Paren(p) => self.cache_in(&p.expr),
            Expr::Reference(r) => self.cache_in(&r.expr),
            Expr::Path(p) => {
                let name = p.path.get_ident()?.to_string();
                let id = self.find(&name).filter(|id| *self.ty(*id) == Ty::Cache)?;
                self.variables.read(&name);
                Some(id)
            }
            Expr::Field(f) => match &f.member {
                Member::Named(name) => {
                    let cache = self.cache_in(&f.base)?;
                    match self.state(f) {
                        Ok(None) => Some(self.part(cache, name)),
                        Ok(Some(text)) => {
                            let id = self.find(&text)?;
                            self.variables.read(&text);
                            (*self.ty(id) == Ty::Cache).then_some(id)
                        }
                        Err(_) => None,
                    }
                }
                Member::Unnamed(_) => None,
            },
            _ => None,
        }
    }

    /// `cache.cross`: one node for each name, because it is a place and not a value.
    fn part(&mut self, cache: Id, name: &Ident) -> Id {
        let part = Held::Part(name.to_string());
        let same = |k: &Kind| matches!(k, Kind::Held { cache: c, what, .. } if *c == cache && *what == part);
        match self.graph.nodes.iter().position(|n| same(&n.kind)) {
            Some(id) => id,
            None => {
                let values = vec![];
                let kind = Kind::Held {
                    cache,
                    what: part,
                    values,
                };
                self.push(kind, Ty::Cache, name.span())
            }
        }
    }

    /// `let (k, v) = cache.keep(k, v);`: those of the first call.
    pub(super) fn cache_keep(&mut self, cache: Id, args: &[&Expr], span: Span) -> Result<Id> {
        let [keys, values] = args else {
            return Err(Diag::cache_keep_arguments(span));
        };
        let values = vec![self.value(keys, None)?, self.value(values, None)?];
        let types: Vec<Ty> = values.iter().map(|id| self.ty(*id).clone()).collect();
        for ((id, ty), e) in values.iter().zip(&types).zip(args) {
            if !matches!(ty, Ty::Tensor(..) | Ty::Unknown) {
                return Err(Diag::expected_tensor(e.span(), self.describe(*id)));
            }
        }
        let kind = Kind::Held {
            cache,
            what: Held::Once,
            values,
        };
        Ok(self.push(kind, Ty::Tuple(types), span))
    }
}
