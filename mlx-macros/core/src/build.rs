//! From bodies to typed graphs: names are resolved, every expression gets its shape and dtype,
//! and each mistake is reported at its own tokens. A value with a mistake is `Unknown`, which
//! silences those that would only follow from it.

use std::collections::BTreeMap;

use proc_macro2::Span;
use quote::format_ident;
use syn::spanned::Spanned;
use syn::{BinOp, Expr, Ident, Lit, Pat, Stmt, UnOp};

use crate::args::dim_expr;
use crate::diag::{suggest, Code, Diag, Result};
use crate::dims::Dim;
use crate::ir::{Arg, Graph, Id, Kind, Node};
use crate::ops::{self, describe};
use crate::parse::{FieldKind, ModelDef};
use crate::signature::{self, Method, Ty};

/// The graph of a method, or all its mistakes.
pub fn graph(
    model: &ModelDef,
    methods: &[Method],
    method: &Method,
) -> std::result::Result<Graph, Vec<Diag>> {
    let mut b = Builder {
        model,
        methods,
        free: method.free_dims(),
        graph: Graph::default(),
        scope: BTreeMap::new(),
        errors: Vec::new(),
    };
    for arg in &method.args {
        let id = b.push(
            Kind::Input(arg.name.clone()),
            arg.ty.clone(),
            arg.name.span(),
        );
        b.bind(&arg.name, id);
    }
    b.block(method);
    b.one_reader_of_each_cache();
    if b.errors.is_empty() {
        Ok(b.graph)
    } else {
        Err(b.errors)
    }
}

pub(crate) struct Builder<'a> {
    pub model: &'a ModelDef,
    pub methods: &'a [Method],
    /// The free dims that this method's arguments bind.
    pub free: Vec<String>,
    pub graph: Graph,
    pub scope: BTreeMap<String, Id>,
    pub errors: Vec<Diag>,
}

impl Builder<'_> {
    pub fn push(&mut self, kind: Kind, ty: Ty, span: Span) -> Id {
        self.graph.nodes.push(Node {
            kind,
            ty,
            span,
            name: None,
        });
        self.graph.nodes.len() - 1
    }

    /// A cache has one slot for each layer of a stack: two users would write the same one.
    fn one_reader_of_each_cache(&mut self) {
        let mut first: BTreeMap<Id, Span> = BTreeMap::new();
        let mut again = Vec::new();
        for node in &self.graph.nodes {
            let reads = |id: &Id| {
                matches!(self.graph.nodes[*id].kind, Kind::Input(_)) && *self.ty(*id) == Ty::Cache
            };
            let uses = matches!(
                node.kind,
                Kind::CacheUpdate { .. }
                    | Kind::Sub { .. }
                    | Kind::Method { .. }
                    | Kind::Layers { .. }
            );
            for cache in node.inputs().into_iter().filter(|id| uses && reads(id)) {
                if first.insert(cache, node.span).is_some() {
                    again.push(node.span);
                }
            }
        }
        for span in again {
            let text = "the cache is used a second time in this method";
            self.errors.push(Diag::new(Code::Cache, span, text));
        }
    }

    /// A variable's name for a value; the first name a value gets is the one messages use.
    fn bind(&mut self, name: &Ident, id: Id) {
        self.graph.nodes[id].name.get_or_insert(name.to_string());
        self.scope.insert(name.to_string(), id);
    }

    pub fn ty(&self, id: Id) -> &Ty {
        &self.graph.nodes[id].ty
    }

    pub fn describe(&self, id: Id) -> String {
        describe(&self.graph, id, &self.model.names)
    }

    fn block(&mut self, method: &Method) {
        let stmts = &method.body.stmts;
        for (i, s) in stmts.iter().enumerate() {
            if let (Stmt::Expr(e, None), true) = (s, i + 1 == stmts.len()) {
                if !matches!(e, Expr::ForLoop(_)) {
                    self.finish(e, method);
                    return;
                }
            }
            if let Err(e) = self.statement(s) {
                self.errors.push(e);
            }
        }
        let text = "the body ends without a value";
        self.errors
            .push(Diag::new(Code::Return, method.name.span(), text));
    }

    /// The last expression, whose type must be the declared one.
    fn finish(&mut self, e: &Expr, method: &Method) {
        let id = match self.value(e, Some(&method.ret)) {
            Ok(id) => id,
            Err(e) => return self.errors.push(e),
        };
        self.graph.result = Some(id);
        let same = *self.ty(id) == method.ret || *self.ty(id) == Ty::Unknown;
        if !same {
            let wanted = self.show(&method.ret);
            let text = format!(
                "`{}` returns {wanted}, but {}",
                method.name,
                self.describe(id)
            );
            self.errors.push(Diag::new(Code::Return, e.span(), text));
        }
    }

    pub fn show(&self, ty: &Ty) -> String {
        match ty {
            Ty::Tensor(s, signature::Dt::Float) => self.model.names.shape(s),
            Ty::Tensor(s, d) => format!("{} of {}", self.model.names.shape(s), d.name()),
            Ty::Tuple(all) => format!(
                "({})",
                all.iter()
                    .map(|t| self.show(t))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            Ty::Cache => "a cache".to_string(),
            Ty::Unknown => "unknown".to_string(),
        }
    }

    fn statement(&mut self, s: &Stmt) -> Result<()> {
        match s {
            Stmt::Local(l) => {
                let init = l.init.as_ref().filter(|i| i.diverge.is_none());
                let Some(init) = init else {
                    return Err(Diag::new(
                        Code::Statement,
                        l.span(),
                        "a `let` needs a value",
                    ));
                };
                self.bind_let(&l.pat, &init.expr)
            }
            Stmt::Expr(Expr::Assign(a), _) => {
                let Expr::Path(p) = &*a.left else {
                    return Err(Diag::new(
                        Code::Statement,
                        a.left.span(),
                        "only a variable can be assigned",
                    ));
                };
                let name = p.path.require_ident()?.clone();
                let old = self.lookup(&name)?;
                let id = self.value(&a.right, Some(&self.ty(old).clone()))?;
                self.bind(&name, id);
                Ok(())
            }
            Stmt::Expr(Expr::ForLoop(f), _) => self.layers(f),
            other => Err(Diag::new(
                Code::Statement,
                other.span(),
                "this statement is not part of the language",
            )),
        }
    }

    fn bind_let(&mut self, pat: &Pat, init: &Expr) -> Result<()> {
        let (names, declared) = signature::pattern(pat)?;
        let declared = match declared {
            None => None,
            Some(t) => {
                let ty = signature::ty(t, &self.model.names)?;
                signature::check_free(&ty, &self.free, t.span())?;
                Some((ty, t.span()))
            }
        };
        let unknown = |b: &mut Self, e: Diag| {
            // The names exist all the same, so that what uses them is not an error too.
            for n in &names {
                let id = b.push(Kind::Tuple(vec![]), Ty::Unknown, n.span());
                b.bind(n, id);
            }
            Err(e)
        };
        let id = match self.value(init, declared.as_ref().map(|d| &d.0)) {
            Ok(id) => id,
            Err(e) => return unknown(self, e),
        };
        if let Some((ty, span)) = &declared {
            if self.ty(id) != ty && *self.ty(id) != Ty::Unknown {
                let text = format!("declared {}, but {}", self.show(ty), self.describe(id));
                return unknown(self, Diag::new(Code::Declared, *span, text));
            }
        }
        if let ([name], false) = (&names[..], matches!(pat, Pat::Tuple(_))) {
            self.bind(name, id);
            return Ok(());
        }
        let parts = match self.ty(id) {
            Ty::Tuple(parts) => parts.clone(),
            Ty::Unknown => vec![Ty::Unknown; names.len()],
            _ => vec![],
        };
        if parts.len() != names.len() {
            let text = format!("{} names for {}", names.len(), self.describe(id));
            return unknown(self, Diag::new(Code::Declared, pat.span(), text));
        }
        for (i, (name, ty)) in names.iter().zip(parts).enumerate() {
            let item = match &self.graph.nodes[id].kind {
                Kind::Tuple(ids) if !ids.is_empty() => ids[i],
                _ => self.push(Kind::Item(id, i), ty, name.span()),
            };
            self.bind(name, item);
        }
        Ok(())
    }

    fn lookup(&self, name: &Ident) -> Result<Id> {
        self.scope.get(&name.to_string()).copied().ok_or_else(|| {
            let near = suggest(&name.to_string(), self.scope.keys().map(String::as_str));
            Diag::new(
                Code::UnknownName,
                name.span(),
                format!("no variable `{name}`{near}"),
            )
        })
    }

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
                Expr::Path(p) if p.path.get_ident().is_some() => {
                    let args: Vec<&Expr> = c.args.iter().collect();
                    self.call(p.path.require_ident()?, &args, e.span())
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
                        self.call(&m.method, &all, e.span())
                    }
                }
            }
            Expr::Field(f) => match (&*f.base, &f.member) {
                (Expr::Path(p), syn::Member::Named(name)) if p.path.is_ident("self") => {
                    self.bare(name)
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
        match &field.kind {
            FieldKind::Param { shape } => {
                let ty = Ty::Tensor(shape.clone(), signature::Dt::Float);
                Ok(self.push(Kind::Param(name.clone()), ty, name.span()))
            }
            _ => Err(Diag::new(
                Code::Expression,
                name.span(),
                format!("`{name}` is a layer: call it, `self.{name}(x)`"),
            )),
        }
    }

    pub fn field(&self, name: &Ident) -> Result<&crate::parse::Field> {
        let model: &ModelDef = self.model;
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

    /// An operation by name: `softmax(x, -1)` or `x.softmax(-1)`.
    fn call(&mut self, name: &Ident, args: &[&Expr], span: Span) -> Result<Id> {
        let text = name.to_string();
        // A method of the cache rather than an operation.
        if let (Some(Expr::Path(p)), "update") = (args.first().copied(), text.as_str()) {
            let receiver = p
                .path
                .get_ident()
                .and_then(|i| self.scope.get(&i.to_string()))
                .copied();
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
        match ops::find(&text) {
            Some(op) => self.op(op, args, span),
            None => {
                let near = suggest(&text, known);
                Err(Diag::new(
                    Code::UnknownOp,
                    name.span(),
                    format!("no operation `{text}`{near}"),
                ))
            }
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

    /// One argument of an operation by its kind.
    pub fn argument(&mut self, e: &Expr, kind: ops::P) -> Result<Arg> {
        use ops::P;
        let bad = |text: &str| Err(Diag::new(Code::ArgumentKind, e.span(), text.to_string()));
        match kind {
            P::Tensor => Ok(Arg::Value(self.value(e, None)?)),
            P::Operand if number(e) => Ok(Arg::Scalar(e.clone())),
            P::Operand => Ok(Arg::Value(self.value(e, None)?)),
            P::Tensors => match e {
                Expr::Array(a) => {
                    let ids: Result<Vec<Id>> =
                        a.elems.iter().map(|e| self.value(e, None)).collect();
                    Ok(Arg::Values(ids?))
                }
                _ => bad("expected a list of tensors, `[a, b]`"),
            },
            P::Axis | P::Int => match integer(e) {
                Some(i) => Ok(Arg::Int(i)),
                None => bad("expected a whole number, such as -1"),
            },
            P::Axes | P::Order => match (e, integer(e)) {
                (_, Some(i)) => Ok(Arg::Ints(vec![i])),
                (Expr::Array(a), _) => {
                    match a.elems.iter().map(integer).collect::<Option<Vec<i64>>>() {
                        Some(list) => Ok(Arg::Ints(list)),
                        None => bad("expected a list of axes, `[0, 2, 1, 3]`"),
                    }
                }
                _ => bad("expected axes, such as -1 or `[0, 2, 1, 3]`"),
            },
            P::Dims => match e {
                Expr::Array(a) => Ok(Arg::Dims(
                    a.elems.iter().map(|e| self.dim(e)).collect::<Result<_>>()?,
                )),
                _ => bad("expected sizes, `[B, L, heads, head_dim]`"),
            },
            P::Scalar | P::Scale if number(e) => Ok(Arg::Scalar(e.clone())),
            P::Scalar | P::Scale => {
                bad("expected a number or a field of the config, `config.rms_norm_eps`")
            }
            P::Bool => match e {
                Expr::Lit(l) if matches!(l.lit, Lit::Bool(_)) => Ok(Arg::Bool(e.clone())),
                _ => bad("expected true or false"),
            },
            P::Dtype => match e {
                Expr::Path(p) if p.path.get_ident().is_some() => {
                    Ok(Arg::Dtype(signature::Dt::parse(p.path.require_ident()?)?))
                }
                _ => bad("expected a dtype: float, f32, i32, u32 or bool"),
            },
            P::Mask => match e {
                Expr::Path(p)
                    if p.path.is_ident("causal") && !self.scope.contains_key("causal") =>
                {
                    Ok(Arg::Causal)
                }
                _ => Ok(Arg::Value(self.value(e, None)?)),
            },
        }
    }

    /// A size in a body: free dims must be bound by an argument; -1 is left to `reshape`.
    fn dim(&self, e: &Expr) -> Result<Dim> {
        if let Some(i) = integer(e).filter(|i| *i < 0) {
            return Ok(Dim::constant(i));
        }
        let dim = dim_expr(e, &self.model.names)?;
        let ty = Ty::Tensor(vec![dim.clone()], signature::Dt::Float);
        signature::check_free(&ty, &self.free, e.span())?;
        Ok(dim)
    }
}

/// Whether the third axis is a length, which only a call can know, and not a number of heads.
pub(crate) fn by_position(shape: &[Dim]) -> bool {
    shape.get(2).is_some_and(|d| {
        d.as_constant().is_some() || d.names().iter().any(|n| crate::dims::is_free(n))
    })
}

/// `KvCache::off`.
fn cache_off(p: &syn::ExprPath) -> bool {
    let mut last = p.path.segments.iter().rev();
    last.next().is_some_and(|s| s.ident == "off")
        && last.next().is_some_and(|s| s.ident == "KvCache")
}

/// A literal whole number, with its sign.
fn integer(e: &Expr) -> Option<i64> {
    match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => i.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => integer(&u.expr)?.checked_neg(),
        _ => None,
    }
}

/// Whether a number is a literal whole one.
pub(crate) fn whole(e: &Expr) -> bool {
    integer(e).is_some()
}

/// Whether an expression is a number at run time: literals, `config.field`, and sums and products.
fn number(e: &Expr) -> bool {
    match e {
        Expr::Lit(l) => matches!(l.lit, Lit::Int(_) | Lit::Float(_)),
        Expr::Unary(u) => matches!(u.op, UnOp::Neg(_)) && number(&u.expr),
        Expr::Paren(p) => number(&p.expr),
        Expr::Binary(b) => number(&b.left) && number(&b.right),
        Expr::Field(f) => matches!(&*f.base, Expr::Path(p) if p.path.is_ident("config")),
        Expr::Cast(c) => number(&c.expr),
        _ => false,
    }
}

/// The variable of generated code that holds a value.
pub fn variable(id: Id) -> Ident {
    format_ident!("__v{}", id, span = Span::mixed_site())
}
