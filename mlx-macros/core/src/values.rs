//! Expressions: each becomes a node with its shape and dtype.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{BinOp, Expr, Ident, UnOp};

use crate::arguments::by_position;
use crate::build::Builder;
use crate::condition;
use crate::diag::{slip, suggest, Code, Diag, Result};
use crate::dims::Dim;
use crate::ir::{Id, Kind};
use crate::ops;
use crate::parse::{Field, FieldKind, ModelDef};
use crate::signature::Ty;

impl<'a> Builder<'a> {
    /// The value of an expression. `wanted` is the type that its place declares, if any.
    pub fn value(&mut self, e: &Expr, wanted: Option<&Ty>) -> Result<Id> {
        match e {
            Expr::Paren(p) => self.value(&p.expr, wanted),
            Expr::Group(g) => self.value(&g.expr, wanted),
            Expr::Reference(r) => self.value(&r.expr, wanted),
            Expr::Path(p) => match p.path.get_ident() {
                Some(name) => self.lookup(name),
                None => Err(Diag::new(Code::Expression, p.span(), "not a variable")),
            },
            Expr::Tuple(t) => {
                let mut ids = Vec::new();
                for e in &t.elems {
                    ids.push(self.value(e, None)?);
                }
                let ty = Ty::Tuple(ids.iter().map(|id| self.ty(*id).clone()).collect());
                Ok(self.push(Kind::Tuple(ids), ty, t.span()))
            }
            Expr::Block(b) if b.label.is_none() => self.block(&b.block, wanted),
            Expr::If(i) => match self.branch(i, wanted, true)? {
                Some(id) => Ok(id),
                None => Ok(self.unknown(e.span())),
            },
            Expr::Macro(m) if m.mac.path.is_ident("rearrange") => self.rearrange(&m.mac),
            Expr::Binary(b) => {
                let name = match b.op {
                    BinOp::Add(_) => "add",
                    BinOp::Sub(_) => "subtract",
                    BinOp::Mul(_) => "multiply",
                    BinOp::Div(_) => "divide",
                    _ => return Err(Diag::new(Code::Expression, b.op.span(), "this operator is not part of the language; comparisons are `less(a, b)` and the like")),
                };
                let op =
                    ops::find(name).ok_or_else(|| Diag::new(Code::UnknownOp, b.span(), name))?;
                self.op(op, &[&b.left, &b.right], e.span())
            }
            Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => {
                let op = ops::find("negative")
                    .ok_or_else(|| Diag::new(Code::UnknownOp, u.span(), "negative"))?;
                self.op(op, &[&u.expr], e.span())
            }
            Expr::Call(c) => match &*c.func {
                Expr::Path(p) if cache_off(p) && c.args.is_empty() => {
                    Ok(self.push(Kind::NoCache, Ty::Cache, e.span()))
                }
                Expr::Path(p) => {
                    let args: Vec<&Expr> = c.args.iter().collect();
                    match p.path.get_ident() {
                        Some(name) => self.call(name, &args, e.span(), wanted),
                        None => self.function(&p.path, &args, e.span(), wanted),
                    }
                }
                other => Err(Diag::new(
                    Code::Expression,
                    other.span(),
                    "not an operation",
                )),
            },
            Expr::MethodCall(m) => {
                let args: Vec<&Expr> = m.args.iter().collect();
                match &*m.receiver {
                    Expr::Path(p) if p.path.is_ident("self") => {
                        self.member(&m.method, &args, e.span(), wanted)
                    }
                    receiver => {
                        let mut all = vec![receiver];
                        all.extend(args);
                        self.call(&m.method, &all, e.span(), wanted)
                    }
                }
            }
            Expr::Field(f) => match (&*f.base, &f.member) {
                (Expr::Path(p), syn::Member::Named(name)) if p.path.is_ident("self") => {
                    self.bare(name)
                }
                (Expr::Path(p), _) if p.path.is_ident("config") && self.model.function => {
                    let text =
                        "a function has no config: take the number as an argument, `cap: f32`";
                    Err(Diag::new(Code::Expression, f.span(), text))
                }
                _ => Err(Diag::new(
                    Code::Expression,
                    f.span(),
                    "only `self.field` of a `Param` is a value",
                )),
            },
            Expr::Lit(l) => Err(Diag::new(
                Code::Expression,
                l.span(),
                "a number alone has no shape; use it in an operation with a tensor",
            )),
            other => Err(Diag::new(
                Code::Expression,
                other.span(),
                "this expression is not part of the language",
            )),
        }
    }

    /// `self.scale`, a bare parameter.
    fn bare(&mut self, name: &Ident) -> Result<Id> {
        let field = self.field(name)?;
        self.present(field, name.span())?;
        match &field.kind {
            FieldKind::Param { shape, dtype } => {
                let ty = Ty::Tensor(shape.clone(), *dtype);
                Ok(self.push(Kind::Param(name.clone()), ty, name.span()))
            }
            _ => Err(Diag::new(
                Code::Expression,
                name.span(),
                format!("`{name}` is a layer: call it, `self.{name}(x)`"),
            )),
        }
    }

    /// A layer that may be absent is used where its condition is known to hold.
    pub fn present(&self, field: &Field, span: Span) -> Result<()> {
        let Some(when) = &field.when else {
            return Ok(());
        };
        let missing = condition::facts(when)
            .into_iter()
            .find(|f| !self.facts.contains(f));
        match missing {
            None => Ok(()),
            Some(_) => {
                let text = format!(
                    "`{}` exists only when `{}`",
                    field.name,
                    condition::text(when)
                );
                Err(Diag::new(Code::Optional, span, text))
            }
        }
    }

    pub fn field(&self, name: &Ident) -> Result<&'a Field> {
        let model: &'a ModelDef = self.model;
        model
            .fields
            .iter()
            .find(|f| f.name == *name)
            .ok_or_else(|| {
                let fields: Vec<String> = model.fields.iter().map(|f| f.name.to_string()).collect();
                let methods = self.methods.iter().map(|m| m.name.to_string());
                let known: Vec<String> = fields.into_iter().chain(methods).collect();
                let near = suggest(&name.to_string(), known.iter().map(String::as_str));
                let text = format!(
                    "`{}` has no field or method `{name}`{near}",
                    model.item.ident
                );
                Diag::new(Code::UnknownField, name.span(), text)
            })
    }

    /// An operation by name, `softmax(x, -1)` or `x.softmax(-1)`; else a helper function.
    fn call(
        &mut self,
        name: &Ident,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        let text = name.to_string();
        // A method of the cache rather than an operation.
        if let (Some(Expr::Path(p)), "update") = (args.first().copied(), text.as_str()) {
            let receiver = p.path.get_ident().and_then(|i| self.find(&i.to_string()));
            if let Some(cache) = receiver.filter(|id| *self.ty(*id) == Ty::Cache) {
                return self.cache_update(cache, &args[1..], span);
            }
        }
        if text == "linear_cross_entropy" {
            return self.linear_cross_entropy(args, span);
        }
        let known = ops::OPS
            .iter()
            .map(|o| o.name)
            .chain(["linear_cross_entropy"]);
        match (ops::find(&text), slip(&text, known)) {
            (Some(op), _) => self.op(op, args, span),
            // Not an operation, and not like one: rustc knows whether there is such a function.
            (None, near) if near.is_empty() => {
                self.function(&syn::Path::from(name.clone()), args, span, wanted)
            }
            (None, near) => Err(Diag::new(
                Code::UnknownOp,
                name.span(),
                format!("no operation `{text}`{near}"),
            )),
        }
    }

    /// `let (k, v) = cache.update(k, v);`: the third axis grows by what was there before.
    fn cache_update(&mut self, cache: Id, args: &[&Expr], span: Span) -> Result<Id> {
        let [k, v] = args else {
            return Err(Diag::new(
                Code::Arguments,
                span,
                "`cache.update` takes keys and values",
            ));
        };
        let (keys, values) = (self.value(k, None)?, self.value(v, None)?);
        let mut grown = Vec::new();
        for (id, e) in [(keys, k), (values, v)] {
            match self.ty(id) {
                Ty::Tensor(s, d) if s.len() == 4 && by_position(s) => {
                    let mut s = s.clone();
                    s[2] = s[2].plus(&Dim::name("Past'"));
                    grown.push(Ty::Tensor(s, *d));
                }
                Ty::Unknown => grown.push(Ty::Unknown),
                _ => {
                    let text = format!(
                        "needs [batch, heads, length, head size], but {}",
                        self.describe(id)
                    );
                    return Err(Diag::new(Code::Rank, e.span(), text));
                }
            }
        }
        Ok(self.push(
            Kind::CacheUpdate {
                cache,
                keys,
                values,
            },
            Ty::Tuple(grown),
            span,
        ))
    }

    /// The name of a field given as `self.field` or `&self.field`.
    pub fn field_name(&self, e: &Expr) -> Result<Ident> {
        match e {
            Expr::Reference(r) => self.field_name(&r.expr),
            Expr::Paren(p) => self.field_name(&p.expr),
            Expr::Field(f) => match (&*f.base, &f.member) {
                (Expr::Path(p), syn::Member::Named(n)) if p.path.is_ident("self") => Ok(n.clone()),
                _ => Err(Diag::new(
                    Code::Expression,
                    f.span(),
                    "expected a field, `self.name`",
                )),
            },
            other => Err(Diag::new(
                Code::Expression,
                other.span(),
                "expected a field, `self.name`",
            )),
        }
    }
}

/// `KvCache::off`.
fn cache_off(p: &syn::ExprPath) -> bool {
    let mut last = p.path.segments.iter().rev();
    last.next().is_some_and(|s| s.ident == "off")
        && last.next().is_some_and(|s| s.ident == "KvCache")
}
