//! Checks arguments of operations by their kind: tensors, numbers, axes, sizes, dtypes, masks.
//!
//! Tests: `tests/planted.rs`.

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Lit, UnOp};

use crate::check::build::Builder;
use crate::diag::{Diag, Result};
use crate::ir::{Arg, Id, Kind, P};
use crate::syntax::args::dim_where;
use crate::syntax::condition;
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::literals::{integer, never_a_count, small};
use crate::syntax::signature::{self, Ty};

impl Builder<'_> {
    /// One argument of an operation by its kind.
    pub fn argument(&mut self, e: &Expr, kind: P) -> Result<Arg> {
        let at = e.span();
        let e = match e {
            Expr::Reference(r) => &r.expr,
            e => e,
        };
        match kind {
            P::Tensor | P::OptTensor => Ok(Arg::Value(self.value(e, None)?)),
            P::Operand | P::OptOperand if self.is_number(e) => Ok(Arg::Scalar(self.number(e))),
            P::Operand | P::OptOperand => Ok(Arg::Value(self.value(e, None)?)),
            P::Tensors => match e {
                Expr::Array(a) => {
                    let ids: Result<Vec<Id>> =
                        a.elems.iter().map(|e| self.value(e, None)).collect();
                    Ok(Arg::Values(ids?))
                }
                _ => Err(Diag::expected_tensors(at)),
            },
            P::Axis | P::AxisOr(_) | P::Int | P::IntOr(_) => match small(e) {
                Some(i) => Ok(Arg::Int(i)),
                None => Err(Diag::expected_integer(at)),
            },
            P::Axes | P::Order => match (e, small(e)) {
                (_, Some(i)) => Ok(Arg::Ints(vec![i])),
                (Expr::Array(a), _) => {
                    match a.elems.iter().map(small).collect::<Option<Vec<i64>>>() {
                        Some(list) => Ok(Arg::Ints(list)),
                        None => Err(Diag::expected_axis_list(at)),
                    }
                }
                _ => Err(Diag::expected_axes(at)),
            },
            P::Dims | P::DimsOr(_) => match e {
                Expr::Array(a) => Ok(Arg::Dims(
                    a.elems.iter().map(|e| self.dim(e)).collect::<Result<_>>()?,
                )),
                _ => Err(Diag::expected_sizes(at)),
            },
            P::Count if self.is_number(e) => match never_a_count(e) {
                true => Err(Diag::expected_window(at)),
                false => Ok(Arg::Scalar(self.number(e))),
            },
            P::Scalar | P::Wide | P::ScalarOr(_) | P::OptScalar if self.is_number(e) => {
                Ok(Arg::Scalar(self.number(e)))
            }
            P::Scalar | P::Wide | P::ScalarOr(_) | P::OptScalar | P::Count => {
                Err(Diag::expected_number(at))
            }
            P::Bool | P::True => match e {
                Expr::Lit(l) if matches!(l.lit, Lit::Bool(_)) => Ok(Arg::Bool(e.clone())),
                _ => Err(Diag::expected_bool(at)),
            },
            P::Dtype | P::DtypeOr(_) => match e {
                Expr::Path(p) if p.path.get_ident().is_some() => {
                    Ok(Arg::Dtype(signature::Dt::parse(p.path.require_ident()?)?))
                }
                other => Err(Diag::expected_dtype(at, dtype_meant(other))),
            },
            _ => self.other_argument(e, kind),
        }
    }

    /// A size in a body: free dims must be bound by an argument; -1 is left to `reshape`.
    pub fn dim(&self, e: &Expr) -> Result<Dim> {
        if let Some(i) = integer(e).filter(|i| *i < 0) {
            return Ok(Dim::constant(i));
        }
        let dim = dim_where(e, &self.model.names, &self.known)?;
        if let (true, Some(name)) = (
            self.model.function,
            dim.names()
                .iter()
                .find(|n| !crate::syntax::dims::is_free(n)),
        ) {
            return Err(Diag::config_dim_in_function(e.span(), name));
        }
        let ty = Ty::Tensor(vec![dim.clone()], signature::Dt::Float);
        signature::check_free(&ty, &self.free, e.span())?;
        for name in dim.names() {
            let holder = self.known.holder(name);
            let there = self.known.is_there(name) || holder.is_some();
            let holders = &self.model.names.holders;
            holders
                .borrow_mut()
                .extend(holder.map(|(h, _)| h.to_string()));
            self.sizes.note(name, there);
        }
        Ok(dim)
    }

    /// A number with its variables replaced by what they stand for: arguments keep their own names,
    /// whatever name is used for them here.
    pub fn number(&self, e: &Expr) -> Expr {
        struct Resolve<'b, 'a>(&'b Builder<'a>);
        impl VisitMut for Resolve<'_, '_> {
            fn visit_expr_mut(&mut self, e: &mut Expr) {
                *e = condition::indexed(e, self.0.index.as_ref());
                if condition::is_index(e) {
                    return;
                }
                let Expr::Path(p) = e else {
                    return visit_mut::visit_expr_mut(self, e);
                };
                let name = p.path.get_ident().map(ToString::to_string);
                let unbound = |n: &&syn::Ident| self.0.find(&n.to_string()).is_none();
                let size = p
                    .path
                    .get_ident()
                    .filter(unbound)
                    .filter(|_| p.attrs.is_empty());
                if let Some(size) = size.and_then(|n| self.0.size_of(n)) {
                    *e = condition::size_as_number(&size);
                    return;
                }
                let id = name.as_ref().and_then(|n| self.0.find(n));
                name.iter().for_each(|n| self.0.variables.read(n));
                match id.map(|id| &self.0.graph.nodes[id].kind) {
                    Some(Kind::Input(name)) => *e = syn::parse_quote!(#name),
                    Some(Kind::Number(value)) => *e = syn::parse_quote!((#value)),
                    _ => {}
                }
            }
        }
        let mut e = e.clone();
        Resolve(self).visit_expr_mut(&mut e);
        condition::guarded(&e, &self.known)
    }

    /// The size that a name stands for where no variable has it: a free dim, a name of `dims(..)`, or a field of the
    /// config that the struct has as a size.
    fn size_of(&self, name: &syn::Ident) -> Option<Dim> {
        let text = name.unraw().to_string();
        let names = &self.model.names;
        if let Some(d) = names.short.get(&text) {
            names.seen(name);
            return Some(d.clone());
        }
        let known = match is_free(&text) {
            true => self.free.contains(&text),
            false => !self.model.function && names.places.borrow().contains_key(&text),
        };
        known.then(|| {
            self.sizes.note(&text, self.known.is_there(&text));
            Dim::name(&text)
        })
    }

    /// True if an expression is a number of the call: literals, `config.field`, an argument that is
    /// one, and sums and products of these.
    pub fn is_number(&self, e: &Expr) -> bool {
        match e {
            Expr::Lit(l) => matches!(l.lit, Lit::Int(_) | Lit::Float(_)),
            Expr::Unary(u) => matches!(u.op, UnOp::Neg(_)) && self.is_number(&u.expr),
            Expr::Paren(p) => self.is_number(&p.expr),
            Expr::Group(g) => self.is_number(&g.expr),
            Expr::Binary(b) => self.is_number(&b.left) && self.is_number(&b.right),
            Expr::Field(_) | Expr::Index(_) => {
                let e = condition::indexed(e, self.index.as_ref());
                condition::is_place(&e, condition::Names::Config) && !self.model.function
            }
            Expr::Call(_) | Expr::MethodCall(_) => match condition::function(e) {
                Some((_, args)) => args.iter().all(|e| self.is_number(e)),
                None => false,
            },
            // Numbers are floats already; any other type would cut them.
            Expr::Cast(c) => float_type(&c.ty) && self.is_number(&c.expr),
            Expr::Path(p)
                if condition::is_constant(&p.path)
                    && p.path
                        .get_ident()
                        .is_none_or(|n| self.find(&n.to_string()).is_none()) =>
            {
                true
            }
            Expr::Path(p) => p
                .path
                .get_ident()
                .is_some_and(|n| match self.find(&n.to_string()) {
                    Some(id) => self.ty(id).is_number(),
                    None if self.size_of(n).is_some() => true,
                    None if self.index.as_ref() == Some(n) => true,
                    None => n == "layer" && !self.model.function && !self.in_stack(),
                }),
            _ => false,
        }
    }
}

/// True if the third axis is a length, which only a call can know, and not a number of heads.
pub(crate) fn by_position(shape: &[Dim]) -> bool {
    shape.get(2).is_some_and(|d| {
        d.as_constant().is_some() || d.names().iter().any(|n| crate::syntax::dims::is_free(n))
    })
}

fn float_type(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Path(p) if p.path.is_ident("f32") || p.path.is_ident("f64"))
}

/// The dtype that `torch.float32` or `"float32"` stands for, as words of a message.
fn dtype_meant(e: &Expr) -> String {
    let name = match e {
        Expr::Field(f) => quote::ToTokens::to_token_stream(&f.member).to_string(),
        Expr::Path(p) => p
            .path
            .segments
            .last()
            .map(|s| s.ident.to_string())
            .unwrap_or_default(),
        Expr::Lit(l) => match &l.lit {
            Lit::Str(s) => s.value(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let ours = crate::diag::foreign::dtype(&name);
    let ours = ours.or_else(|| signature::Dt::NAMES.into_iter().find(|n| **n == name));
    ours.map_or_else(String::new, |d| format!(": write `{d}`"))
}
