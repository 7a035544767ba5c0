//! Gives each expression a node with its shape and dtype.
//!
//! Tests: `tests/planted.rs`.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{BinOp, Expr, Ident, UnOp};

use crate::check::arguments::by_position;
use crate::check::build::Builder;
use crate::diag::{foreign, slip, suggest, Diag, Result};
use crate::ir::{Callee, Id, Kind};
use crate::ops;
use crate::syntax::condition;
use crate::syntax::dims::Dim;
use crate::syntax::function_source::{self, Known};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::{Field, ModelDef};
use crate::syntax::signature::{Ty, PAST};

impl<'a> Builder<'a> {
    /// The value of an expression. `wanted` is the type that its place declares, if any.
    pub fn value(&mut self, e: &Expr, wanted: Option<&Ty>) -> Result<Id> {
        match e {
            Expr::Paren(p) => self.value(&p.expr, wanted),
            Expr::Group(g) => self.value(&g.expr, wanted),
            Expr::Reference(r) => self.value(&r.expr, wanted),
            Expr::Path(p) => match p.path.get_ident() {
                Some(name) => self.lookup(name),
                None => Err(Diag::not_a_variable(p.span(), path_text(&p.path))),
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
            Expr::Macro(m) if m.mac.path.is_ident("vec") => self.list(m),
            Expr::Macro(m) if m.mac.path.is_ident("rearrange") => self.rearrange(&m.mac),
            Expr::Binary(b) => {
                let name = match b.op {
                    BinOp::Add(_) => "add",
                    BinOp::Sub(_) => "subtract",
                    BinOp::Mul(_) => "multiply",
                    BinOp::Div(_) => "divide",
                    op => return Err(unknown_operator(op)),
                };
                self.named(name, &[&b.left, &b.right], e.span())
            }
            Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => {
                self.named("negative", &[&u.expr], e.span())
            }
            Expr::Unary(u) if matches!(u.op, UnOp::Not(_)) => {
                let at = u.op.span();
                Err(Diag::unknown_operator(at, "!", "logical_not(a)"))
            }
            Expr::Field(_) | Expr::Index(_) | Expr::Call(_) | Expr::MethodCall(_)
                if self.is_number(e) =>
            {
                Err(Diag::number_alone(e.span()))
            }
            Expr::Call(c) => match &*c.func {
                Expr::Path(p) if cache_off(p) && c.args.is_empty() => {
                    Ok(self.push(Kind::NoCache, Ty::Cache, e.span()))
                }
                Expr::Path(p) => {
                    let args: Vec<&Expr> = c.args.iter().collect();
                    match p.path.get_ident() {
                        Some(name) => self.call(name, &args, e.span(), wanted),
                        None => match (ops::find(&path_text(&p.path)), module_of(&p.path)) {
                            (Some(op), _) => self.op(op, &args, e.span()),
                            (None, Some((module, of))) => {
                                let last = p.path.segments.last().map(|s| s.ident.to_string());
                                Err(foreign_module(
                                    p.span(),
                                    module,
                                    of,
                                    &last.unwrap_or_default(),
                                ))
                            }
                            (None, None) => self.function(&p.path, &args, e.span(), wanted),
                        },
                    }
                }
                other => Err(Diag::not_a_callee(other.span())),
            },
            Expr::MethodCall(m) => {
                let args: Vec<&Expr> = m.args.iter().collect();
                if let Some((module, of)) = self.module_in(&m.receiver) {
                    return Err(foreign_module(e.span(), &module, of, &m.method.to_string()));
                }
                match &*m.receiver {
                    Expr::Path(p) if p.path.is_ident("self") => {
                        self.member(&m.method, &args, e.span(), wanted)
                    }
                    receiver if self.sub_model_in(receiver).is_some() => {
                        self.sub_method(receiver, &m.method, &args, e.span(), wanted)
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
                _ if self.module_in(&f.base).is_some() => {
                    let (module, of) = self.module_in(&f.base).unwrap_or_default();
                    let name = f.member.to_token_stream().to_string();
                    let instead = foreign::dtype(&name).map_or(name.clone(), String::from);
                    Err(Diag::foreign_module(f.span(), module, of, instead))
                }
                (Expr::Path(p), _) if p.path.is_ident("config") && self.model.function => {
                    Err(Diag::config_in_function(f.span()))
                }
                _ => match self.state(f)? {
                    Some(name) => {
                        self.variables.read(&name);
                        self.find(&name).ok_or_else(|| Diag::not_a_param(f.span()))
                    }
                    None => self.cache_in(e).ok_or_else(|| Diag::not_a_param(f.span())),
                },
            },
            Expr::Index(i) => self.place_of(i),
            Expr::Lit(l) if self.is_number(e) => Err(Diag::number_alone(l.span())),
            other => {
                let (what, instead) = foreign_expression(other);
                Err(Diag::unknown_expression(other.span(), what, instead))
            }
        }
    }

    /// The field of a sub-model that an expression reads.
    fn sub_model_in(&self, e: &Expr) -> Option<&'a Field> {
        let name = self.field_name(e).ok()?;
        let model: &'a ModelDef = self.model;
        let field = model.fields.iter().find(|f| f.name == name)?;
        matches!(field.kind, FieldKind::Model).then_some(field)
    }

    /// `self.vision.encode(x)`, a method of a sub-model besides its `forward`.
    fn sub_method(
        &mut self,
        field: &Expr,
        method: &Ident,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        let Some(field) = self.sub_model_in(field) else {
            return Ok(self.unknown(span));
        };
        let name = &field.name;
        if self.in_stack() {
            return Err(Diag::loop_member(span, name));
        }
        if field.broken {
            self.values(args)?;
            return Ok(self.unknown(span));
        }
        self.present(field, name.span())?;
        if method == "forward" {
            return self.member(name, args, span, wanted);
        }
        let (callee, what) = (
            self.callee(field.ty.clone()),
            format!("self.{name}.{method}"),
        );
        let callee = match callee {
            Callee::Generic(_) => return Err(Diag::method_of_parameter(method.span(), method)),
            _ => Callee::Method(field.ty.clone(), method.clone()),
        };
        self.sub_call((name, what), callee, args, span, wanted)
    }

    /// The mistake of a call that the file of the body explains: a name of another library, a plain function, or no function
    /// at all. `None` if rustc is to say whether there is one.
    fn unknown_call(&self, name: &Ident, text: &str) -> Option<Diag> {
        let at = name.span();
        let own = self.model.fields.iter().map(|f| &f.name);
        let own = own
            .chain(self.methods.iter().map(|m| &m.name))
            .any(|n| n == name);
        match (function_source::of(text, at), foreign::call(text)) {
            (Known::Maybe, _) => None,
            (Known::Plain, _) => Some(Diag::plain_function(at, text)),
            (Known::Nowhere, _) if own => Some(Diag::unknown_operation(
                at,
                text,
                format!(" (did you mean `self.{text}`?)"),
            )),
            (Known::Nowhere, Some(f)) => Some(Diag::foreign_call(at, text, f.of, f.theirs, f.ours)),
            // Without a file, as in tests.
            (Known::Nowhere, None) if at.local_file().is_none() => None,
            (Known::Nowhere, None) => {
                let functions = function_source::marked(at);
                let ops = ops::OPS.iter().map(|o| o.name);
                let known = functions.iter().map(String::as_str).chain(ops);
                Some(Diag::unknown_operation(at, text, suggest(text, known)))
            }
        }
    }

    /// The module of another library that an expression begins with, unless a variable has its name.
    fn module_in(&self, e: &Expr) -> Option<(String, &'static str)> {
        match e {
            Expr::Field(f) => self.module_in(&f.base),
            Expr::Path(p) => {
                let name = p.path.get_ident()?.to_string();
                let (name, of) = foreign::module(&name)?;
                self.find(name).is_none().then(|| (name.to_string(), of))
            }
            _ => None,
        }
    }

    /// An operation that an operator stands for.
    pub fn named(&mut self, name: &str, args: &[&Expr], span: Span) -> Result<Id> {
        match ops::find(name) {
            Some(op) => self.op(op, args, span),
            None => Err(Diag::unknown_operation(span, name, "")),
        }
    }

    /// `self.scale`, a bare parameter.
    fn bare(&mut self, name: &Ident) -> Result<Id> {
        if self.in_stack() {
            return Err(Diag::loop_member(name.span(), name));
        }
        let field = self.field(name)?;
        if field.broken {
            return Ok(self.unknown(name.span()));
        }
        self.present(field, name.span())?;
        match &field.kind {
            FieldKind::Param { shape, dtype } => {
                let ty = Ty::Tensor(shape.clone(), *dtype);
                Ok(self.push(Kind::Param(name.clone()), ty, name.span()))
            }
            _ => Err(Diag::layer_as_value(name.span(), name, type_text(field))),
        }
    }

    /// A layer that may be absent is used where its condition is known to hold.
    pub fn present(&self, field: &Field, span: Span) -> Result<()> {
        let Some(when) = &field.when else {
            return Ok(());
        };
        match self.known.imply(when) {
            true => Ok(()),
            false => {
                let when = condition::text(when);
                Err(Diag::optional_outside(span, &field.name, when))
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
                Diag::unknown_field(name.span(), &model.item.ident, name, near)
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
        if let (Some(receiver), "update" | "keep") = (args.first(), text.as_str()) {
            if let Some(cache) = self.cache_in(receiver) {
                return match text.as_str() {
                    "keep" => self.cache_keep(cache, &args[1..], span),
                    _ => self.cache_update(cache, &args[1..], span),
                };
            }
        }
        if self
            .looped
            .iter()
            .filter_map(|l| l.stack.as_ref())
            .any(|s| s.layer == *name)
        {
            return self.call_layer(args, span, wanted);
        }
        if let ("stack" | "concatenate", Some(list)) =
            (text.as_str(), args.first().and_then(|e| self.list_of(e)))
        {
            return self.join_list(&text, list, args, span);
        }
        if text == "linear_cross_entropy" {
            return self.linear_cross_entropy(args, span);
        }
        if let Some(op) = ops::find(&text) {
            return self.op(op, args, span);
        }
        if let Some(e) = self.unknown_call(name, &text) {
            return Err(e);
        }
        let known = ops::OPS
            .iter()
            .map(|o| o.name)
            .chain(["linear_cross_entropy"]);
        match slip(&text, known) {
            // A function takes tensors and numbers alone.
            near if near.is_empty() && args.iter().any(|a| never_passed(a)) => {
                Err(Diag::unknown_operation(name.span(), text, near))
            }
            // Not an operation, and not like one: rustc knows whether there is such a function.
            near if near.is_empty() => {
                self.function(&syn::Path::from(name.clone()), args, span, wanted)
            }
            near => Err(Diag::unknown_operation(name.span(), text, near)),
        }
    }

    /// `let (k, v) = cache.update(k, v);`: the third axis grows by the cached positions.
    fn cache_update(&mut self, cache: Id, args: &[&Expr], span: Span) -> Result<Id> {
        let [k, v] = args else {
            return Err(Diag::cache_update_arguments(span));
        };
        let (keys, values) = (self.value(k, None)?, self.value(v, None)?);
        let mut grown = Vec::new();
        for (id, e) in [(keys, k), (values, v)] {
            match self.ty(id) {
                Ty::Tensor(s, d) if s.len() == 4 && by_position(s) => {
                    let mut s = s.clone();
                    s[2] = s[2].plus(&Dim::name(PAST));
                    grown.push(Ty::Tensor(s, *d));
                }
                Ty::Unknown => grown.push(Ty::Unknown),
                _ => return Err(Diag::cache_update_shape(e.span(), self.describe(id))),
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
                _ => Err(Diag::not_a_field(f.span())),
            },
            other => Err(Diag::not_a_field(other.span())),
        }
    }
}

/// A field's type without what it is generic over, for messages.
pub(crate) fn type_text(field: &Field) -> String {
    match &field.ty {
        syn::Type::Path(p) => p.path.segments.last().map(|s| s.ident.to_string()),
        _ => None,
    }
    .unwrap_or_else(|| "type".to_string())
}

/// A path as it is written.
pub(crate) fn path_text(path: &syn::Path) -> String {
    let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
    names.join("::")
}

/// The mistake of an operator that the language lacks, with the operation to write instead.
fn unknown_operator(op: BinOp) -> Diag {
    let instead = match op {
        BinOp::Lt(_) => "less(a, b)",
        BinOp::Le(_) => "less_equal(a, b)",
        BinOp::Gt(_) => "greater(a, b)",
        BinOp::Ge(_) => "greater_equal(a, b)",
        BinOp::Eq(_) => "equal(a, b)",
        BinOp::Ne(_) => "not_equal(a, b)",
        BinOp::Rem(_) => "remainder(a, b)",
        BinOp::And(_) => "logical_and(a, b)",
        BinOp::Or(_) => "logical_or(a, b)",
        BinOp::BitAnd(_) => "bitwise_and(a, b)",
        BinOp::BitOr(_) => "bitwise_or(a, b)",
        BinOp::BitXor(_) => "bitwise_xor(a, b)",
        BinOp::Shl(_) => "left_shift(a, b)",
        BinOp::Shr(_) => "right_shift(a, b)",
        _ => "h = h + x",
    };
    Diag::unknown_operator(op.span(), op.to_token_stream(), instead)
}

/// A module of another library at the start of a path.
fn module_of(path: &syn::Path) -> Option<(&'static str, &'static str)> {
    let first = path.segments.first()?.ident.to_string();
    foreign::module(&first)
}

/// The mistake of `torch.name(..)`, with what to write.
fn foreign_module(at: Span, module: &str, of: &str, name: &str) -> Diag {
    let instead = match (foreign::call(name), ops::find(name)) {
        (Some(f), _) => f.ours.to_string(),
        (None, Some(op)) => {
            let args: Vec<&str> = op.params.iter().map(|p| p.0).collect();
            format!("{name}({})", args.join(", "))
        }
        (None, None) => format!("{name}(..)"),
    };
    Diag::foreign_module(at, module, of, instead)
}

/// An expression that the language lacks, and what to write.
fn foreign_expression(e: &Expr) -> (String, &'static str) {
    let (what, instead) = match e {
        Expr::Try(_) => (
            "`?`",
            "remove it, because operations of a body do not return `Result`",
        ),
        Expr::Cast(_) => (
            "`as`",
            "write `x.astype(f32)`, `x.astype(i32)` or `x.astype(float)`",
        ),
        Expr::Closure(_) => (
            "a closure",
            "write a function with `#[mlx_fn]`, or a method of the model",
        ),
        Expr::Match(_) => (
            "`match`",
            "write `if config.field == .. { .. } else { .. }`",
        ),
        Expr::Range(_) => ("a range", "write `arange(start, stop)`"),
        Expr::Array(_) => (
            "a list as a value",
            "write `stack([a, b], axis)` or `concatenate([a, b], axis)`",
        ),
        Expr::Repeat(_) => ("a list as a value", "write `full([n], value)`"),
        Expr::Return(_) => (
            "`return`",
            "the last expression, without `;`, is the result",
        ),
        Expr::Await(_) => ("`.await`", "remove it"),
        Expr::Unary(_) => ("`*` before a value", "write `power(a, b)` for `a ** b`"),
        Expr::Macro(m) => return crate::check::foreign::foreign_macro(&m.mac),
        Expr::Lit(l) => match &l.lit {
            syn::Lit::Str(s) if s.value() == "causal" => {
                ("a text as a mask", "write `causal` without quotes")
            }
            syn::Lit::Str(_) => ("a text as a value", "write a tensor or a number"),
            syn::Lit::Bool(_) => (
                "a bool as a value",
                "write `causal` for a mask, or `full([1], 1.0)` for a tensor",
            ),
            _ => ("this literal", "write a number, `1.0`"),
        },
        _ => (
            "this expression",
            "write operations, calls of fields, and + - * /",
        ),
    };
    (what.to_string(), instead)
}

/// `KvCache::off`.
fn cache_off(p: &syn::ExprPath) -> bool {
    let mut last = p.path.segments.iter().rev();
    last.next().is_some_and(|s| s.ident == "off")
        && last.next().is_some_and(|s| s.ident == "KvCache")
}

/// True if no helper function takes such an argument.
fn never_passed(e: &Expr) -> bool {
    match e {
        Expr::Array(_) | Expr::Assign(_) | Expr::Range(_) => true,
        Expr::Lit(l) => !matches!(l.lit, syn::Lit::Int(_) | syn::Lit::Float(_)),
        _ => false,
    }
}
