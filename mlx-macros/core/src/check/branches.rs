//! Checks `if config.flag { .. } else { .. }`: both arms are built, one runs.
//!
//! Tests: `tests/planted.rs`.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, ExprIf};

use crate::check::build::Builder;
use crate::diag::{Diag, Result};
use crate::ir::{Arm, Id, Kind};
use crate::syntax::condition;
use crate::syntax::signature::Ty;

impl Builder<'_> {
    /// `if condition { .. } else { .. }`: both arms are built; what they give and what they assign
    /// must agree. Gives back the value, where the `if` has one.
    pub fn branch(&mut self, e: &ExprIf, wanted: Option<&Ty>, value: bool) -> Result<Option<Id>> {
        let e = &self.with_index(e)?;
        condition::check(&e.cond, condition::Names::Config)?;
        if self.model.function {
            return Err(Diag::condition_in_function(e.cond.span()));
        }
        self.idle
            .extend(crate::syntax::model::decided(&e.cond, &self.known));
        let before = self.variables.scopes();
        let around = self.known.clone();
        let cond = condition::guarded(&e.cond, &self.known);
        self.known = around.and(&e.cond, true);
        let then = self.arm(value, wanted, e.then_branch.span(), |b| {
            b.statements(&e.then_branch.stmts)
        });
        let scopes = self.variables.replace(before.clone());
        self.known = around.and(&e.cond, false);
        let otherwise = match e.else_branch.as_ref().map(|(_, e)| &**e) {
            Some(Expr::Block(b)) => {
                self.arm(value, wanted, b.span(), |s| s.statements(&b.block.stmts))
            }
            Some(other) if value => self.arm(value, wanted, other.span(), |_| Some(other)),
            Some(Expr::If(other)) => {
                let start = self.graph.nodes.len();
                self.branch(other, None, false).map(|_| (start, None))
            }
            _ if value => Err(Diag::if_without_else(e.span())),
            _ => Ok((self.graph.nodes.len(), None)),
        };
        self.known = around;
        let others = self.variables.replace(before);
        let ((start, then), (middle, otherwise)) = match (then, otherwise) {
            (Ok(t), Ok(o)) => (t, o),
            (Err(a), Err(b)) => {
                self.errors.push(a);
                return Err(b);
            }
            (Err(e), _) | (_, Err(e)) => return Err(e),
        };
        let shape = then.as_ref().map(|(ty, _)| ty.clone());
        let leaves = |v: Option<(Ty, Vec<Id>)>| v.map_or(vec![], |(_, ids)| ids);
        let (mut then, mut otherwise) = (leaves(then), leaves(otherwise));
        let given = then.len();
        let changed = self.variables.changed(&scopes, &others);
        then.extend(changed.iter().map(|c| c.then.id));
        otherwise.extend(changed.iter().map(|c| c.otherwise.id));
        let types = self.agree(e, &then, &otherwise)?;
        let end = self.graph.nodes.len();
        let ty = match &types[..] {
            [one] => one.clone(),
            all => Ty::Tuple(all.to_vec()),
        };
        let arm = |start, end, values| Arm { start, end, values };
        let kind = Kind::If {
            condition: cond,
            then: arm(start, middle, then),
            otherwise: arm(middle, end, otherwise),
        };
        let whole = self.push(kind, ty, e.span());
        let parts: Vec<Id> = match types.len() {
            1 => vec![whole],
            _ => types
                .iter()
                .enumerate()
                .map(|(i, t)| self.push(Kind::Item(whole, i), t.clone(), e.span()))
                .collect(),
        };
        for (c, id) in changed.iter().zip(&parts[given..]) {
            self.graph.nodes[*id].name.get_or_insert(c.name.clone());
            self.variables.merge(c, *id);
        }
        self.without_effect(e, whole, changed.len());
        let mut leaves = parts[..given].iter().copied();
        Ok(shape.map(|ty| self.rebuilt(&ty, &mut leaves, e.span())))
    }

    /// An `if` with the variable that counts layers marked as such.
    fn with_index(&self, e: &ExprIf) -> Result<ExprIf> {
        let mut e = e.clone();
        if self.looped.is_some() {
            *e.cond = condition::indexed(&e.cond, self.index.as_ref());
            if let Some(at) = condition::own_layer(&e.cond).filter(|_| self.in_stack()) {
                return Err(Diag::loop_layer_number(at));
            }
        }
        Ok(e)
    }

    /// An `if` that changes nothing, or has equal arms.
    fn without_effect(&mut self, e: &ExprIf, id: Id, assigned: usize) {
        let Kind::If {
            then, otherwise, ..
        } = &self.graph.nodes[id].kind
        else {
            return;
        };
        let moves = self.graph.nodes[then.start..otherwise.end].iter().any(|n| {
            let mut inputs = n.inputs().into_iter();
            inputs.any(|i| *self.ty(i) == Ty::Cache)
        });
        let other = e.else_branch.as_ref().map(|(_, other)| match &**other {
            Expr::Block(b) => b.block.to_token_stream().to_string(),
            other => other.to_token_stream().to_string(),
        });
        let same = other.is_some_and(|o| o == e.then_branch.to_token_stream().to_string());
        // An inner `if` of an `else if` says it of itself.
        let found = match (then.values == otherwise.values, then.values.is_empty()) {
            (true, true) if assigned == 0 && !moves => Diag::if_without_effect(e.span()),
            (true, false) => Diag::arms_equal(e.span()),
            _ if same => Diag::arms_equal(e.span()),
            _ => return,
        };
        self.idle.push(found);
    }

    /// Values in the structure of `ty`, which `leaves` were taken from.
    fn rebuilt(&mut self, ty: &Ty, leaves: &mut impl Iterator<Item = Id>, span: Span) -> Id {
        match ty {
            Ty::Tuple(parts) => {
                let ids: Vec<Id> = parts
                    .iter()
                    .map(|t| self.rebuilt(t, leaves, span))
                    .collect();
                self.push(Kind::Tuple(ids), ty.clone(), span)
            }
            _ => leaves.next().unwrap_or_else(|| self.unknown(span)),
        }
    }

    /// A value's parts, and theirs.
    fn leaves(&mut self, id: Id) -> Vec<Id> {
        match self.ty(id) {
            Ty::Tuple(_) => {
                let parts = self.parts(id);
                parts.into_iter().flat_map(|p| self.leaves(p)).collect()
            }
            _ => vec![id],
        }
    }

    /// One arm: its first node and the value that it gives, with its parts.
    fn arm<'e>(
        &mut self,
        value: bool,
        wanted: Option<&Ty>,
        at: Span,
        run: impl FnOnce(&mut Self) -> Option<&'e Expr>,
    ) -> Result<Built> {
        let start = self.graph.nodes.len();
        self.variables.enter();
        let deeper = |b: &mut Self, n: isize| {
            if let Some(l) = &mut b.looped {
                l.arms = l.arms.saturating_add_signed(n);
            }
        };
        deeper(self, 1);
        let last = run(self);
        deeper(self, -1);
        let out = match (last, value) {
            (Some(e), true) => self
                .value(e, wanted)
                .map(|id| Some((self.ty(id).clone(), self.leaves(id)))),
            (Some(Expr::If(e)), false) => self.branch(e, None, false).map(|_| None),
            (None, false) => Ok(None),
            (Some(e), false) => Err(Diag::arm_value_unused(e.span())),
            (None, true) => Err(Diag::arm_without_value(at)),
        };
        self.variables.leave();
        out.map(|value| (start, value))
    }

    /// The types of what both arms give.
    fn agree(&self, e: &ExprIf, then: &[Id], otherwise: &[Id]) -> Result<Vec<Ty>> {
        if then.len() != otherwise.len() {
            return Err(Diag::arms_count(e.span(), then.len(), otherwise.len()));
        }
        let both = then.iter().zip(otherwise);
        both.map(|(a, b)| match (self.ty(*a), self.ty(*b)) {
            (Ty::Unknown, _) | (_, Ty::Unknown) => Ok(Ty::Unknown),
            (x @ Ty::Tensor(..), y) if x == y => Ok(x.clone()),
            _ => {
                let (a, b) = (self.describe(*a), self.describe(*b));
                Err(Diag::arms_differ(e.span(), a, b))
            }
        })
        .collect()
    }
}

/// An arm's first node, and its value with its parts where it gives one.
type Built = (Id, Option<(Ty, Vec<Id>)>);
