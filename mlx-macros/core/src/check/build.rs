//! Builds the graph of a method: resolves names, and gives every expression its shape and dtype.
//!
//! A value with a mistake has the type `Unknown`, which silences the mistakes that only follow from it.
//!
//! Tests: `tests/planted.rs`, `tests/right.rs`.

use std::collections::BTreeMap;

use proc_macro2::Span;
use quote::format_ident;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Block, Expr, Ident, Pat, Stmt};

use crate::check::foreign::{foreign_statement, is_value};
use crate::check::loops::Looped;
use crate::check::variables::{Sizes, Variables};
use crate::diag::{suggest, Code, Diag, Result};
use crate::ir::{describe, noun, show, Graph, Id, Kind, Node};
use crate::syntax::logic::Facts;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{self, Method, Ty};

/// The graph of a method, or all its mistakes and the graph of what is right in it.
pub fn graph(
    model: &ModelDef,
    methods: &[Method],
    method: &Method,
) -> std::result::Result<Graph, Box<(Vec<Diag>, Graph)>> {
    match attempt(model, methods, method) {
        (graph, errors) if errors.is_empty() => Ok(graph),
        (graph, errors) => Err(Box::new((errors, graph))),
    }
}

/// The graph of a method as far as it goes, and its mistakes. An operation that a rule refuses is
/// in the graph with its arguments; its type is unknown.
pub fn attempt(model: &ModelDef, methods: &[Method], method: &Method) -> (Graph, Vec<Diag>) {
    let mut b = Builder {
        model,
        methods,
        free: method.free_dims(),
        graph: Graph::default(),
        variables: Variables::default(),
        known: model.names.facts.clone(),
        sizes: Sizes::default(),
        looped: None,
        index: None,
        lists: BTreeMap::new(),
        masks: BTreeMap::new(),
        idle: Vec::new(),
        errors: Vec::new(),
        bound: Vec::new(),
    };
    for arg in &method.args {
        let id = b.push(
            Kind::Input(arg.name.clone()),
            arg.ty.clone(),
            arg.name.span(),
        );
        b.bind(&arg.name, arg.mutable, id);
    }
    let arguments = b.variables.len();
    method.args.iter().for_each(|a| b.states(a));
    b.errors.extend(infinite_numbers(&method.body));
    b.body(method);
    b.one_reader_of_each_cache();
    b.positions_before_updates();
    b.updates_behind_positions();
    // A field with a mistake may read anything.
    let broken = model.fields.iter().any(|f| f.broken) || methods.iter().any(|m| m.broken);
    if b.errors.is_empty() && !broken {
        let unread = b.variables.unread(arguments, |i| b.binds_a_size(method, i));
        b.errors.extend(unread);
        b.errors.append(&mut b.idle);
    }
    b.errors = once(std::mem::take(&mut b.errors));
    b.graph.guarded = b.sizes.guarded_alone();
    b.graph.bound = std::mem::take(&mut b.bound);
    (b.graph, b.errors)
}

/// The mistakes of a body without those that only follow from another: of errors that blame one value in the same words, the
/// first stays, and so it does of uses of layers that may be absent, and of calls of a function without its attribute.
/// Names that a wrong pattern leaves out are not unknown.
fn once(errors: Vec<Diag>) -> Vec<Diag> {
    let mut said: Vec<String> = Vec::new();
    let mut patterns = false;
    let mut kept = Vec::new();
    for e in errors {
        let what = match e.code {
            Code::UnknownOp => e.message.clone(),
            Code::Optional => "optional".to_string(),
            Code::UnknownName if patterns => continue,
            _ => {
                let blamed = e.message.rsplit_once(", but ").map(|(_, b)| b);
                let blamed = blamed.filter(|b| b.starts_with('`') && b.contains(" is ["));
                blamed.unwrap_or_default().to_string()
            }
        };
        patterns |= e.code == Code::Declared || e.code == Code::Statement;
        if !what.is_empty() && said.contains(&what) {
            continue;
        }
        said.push(what);
        kept.push(e);
    }
    kept
}

/// Numbers of a body that are beyond the range of a float.
fn infinite_numbers(body: &Block) -> Vec<Diag> {
    struct Numbers(Vec<Diag>);
    impl Visit<'_> for Numbers {
        fn visit_expr(&mut self, e: &Expr) {
            match e {
                Expr::Lit(_) => {
                    let found = crate::syntax::literals::infinite(e).map(Diag::number_too_large);
                    self.0.extend(found);
                }
                other => syn::visit::visit_expr(self, other),
            }
        }
    }
    let mut found = Numbers(Vec::new());
    found.visit_block(body);
    found.0
}

pub(crate) struct Builder<'a> {
    pub model: &'a ModelDef,
    pub methods: &'a [Method],
    /// The free dims that this method's arguments bind.
    pub free: Vec<String>,
    pub graph: Graph,
    pub variables: Variables,
    /// Conditions that hold here, since the model requires them or the `if`s around say so.
    pub known: Facts,
    /// The sizes that the body names.
    pub sizes: Sizes,
    /// The loop around.
    pub looped: Option<Looped>,
    /// The variable that counts its layers.
    pub index: Option<Ident>,
    /// The lists of values, and the type of their elements.
    pub lists: BTreeMap<Id, Ty>,
    /// The masks that variables name.
    pub masks: BTreeMap<Id, Expr>,
    /// Writings without effect, which are mistakes if there is no other.
    pub idle: Vec<Diag>,
    pub errors: Vec<Diag>,
    /// The variables where they are bound, with their types.
    pub bound: Vec<(Ident, Ty)>,
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

    /// True if argument `i`, which nothing reads, is what a size that the body names is read off.
    fn binds_a_size(&self, method: &Method, i: usize) -> bool {
        let free = |i: usize| match &method.args[i].ty {
            Ty::Tensor(shape, _) => shape.iter().filter_map(|d| d.as_name()).collect(),
            _ => vec![],
        };
        let others = (0..method.args.len()).filter(|j| self.variables.is_read(*j));
        let others: Vec<&str> = others.flat_map(free).collect();
        let alone = |name: &&str| self.sizes.is_used(name) && !others.contains(name);
        free(i).iter().any(alone)
    }

    /// A variable's name for a value; the first name a value gets is the one messages use.
    fn bind(&mut self, name: &Ident, mutable: bool, id: Id) {
        self.graph.nodes[id].name.get_or_insert(name.to_string());
        self.bound.push((name.clone(), self.ty(id).clone()));
        self.variables
            .bind(name.to_string(), name.span(), mutable, id);
    }

    /// Gives a variable of this block or one around it a new value.
    pub fn assign(&mut self, name: &Ident, id: Id) -> Result<()> {
        self.graph.nodes[id].name.get_or_insert(name.to_string());
        match self.variables.assign(&name.to_string(), name.span(), id) {
            true => Ok(()),
            false => Err(Diag::not_mutable(name.span(), name)),
        }
    }

    /// The value of a variable, which is not read for that.
    pub fn find(&self, name: &str) -> Option<Id> {
        self.variables.find(name)
    }

    /// A value with a mistake, which silences those that would follow from it.
    pub fn unknown(&mut self, span: Span) -> Id {
        self.push(Kind::Tuple(vec![]), Ty::Unknown, span)
    }

    pub fn ty(&self, id: Id) -> &Ty {
        &self.graph.nodes[id].ty
    }

    pub fn describe(&self, id: Id) -> String {
        describe(&self.graph, id, &self.model.names)
    }

    /// As `describe`, where a noun fits.
    pub fn noun(&self, id: Id) -> String {
        noun(&self.graph, id, &self.model.names)
    }

    fn body(&mut self, method: &Method) {
        let stmts = &method.body.stmts;
        // A result that is given in Rust's other ways is one mistake, and what it computes is looked at all the same.
        let last = match stmts.last() {
            Some(Stmt::Expr(Expr::Return(r), _)) => r.expr.as_deref().map(|e| {
                let (what, instead) = foreign_statement(&stmts[stmts.len() - 1]);
                (Diag::unknown_statement(r.span(), what, instead), e)
            }),
            Some(Stmt::Expr(e, Some(semi))) if is_value(e) => {
                let want = self.show(&method.ret);
                Some((Diag::result_dropped(semi.span(), &method.name, want), e))
            }
            _ => None,
        };
        if let Some((error, e)) = last {
            self.errors.push(error);
            self.statements(&stmts[..stmts.len() - 1]);
            self.finish(e, method);
            return self.states_after(method);
        }
        match self.statements(stmts) {
            Some(e) => {
                self.finish(e, method);
                self.states_after(method);
            }
            None => {
                let want = self.show(&method.ret);
                let at = method.name.span();
                self.errors
                    .push(Diag::body_without_value(at, &method.name, want));
            }
        }
    }

    /// Runs all statements and gives back the expression at the end, if there is one.
    pub fn statements<'e>(&mut self, stmts: &'e [Stmt]) -> Option<&'e Expr> {
        for (i, s) in stmts.iter().enumerate() {
            if let (Stmt::Expr(e, None), true) = (s, i + 1 == stmts.len()) {
                if !matches!(e, Expr::ForLoop(_)) {
                    return Some(e);
                }
            }
            if let Err(e) = self.statement(s) {
                self.errors.push(e);
            }
        }
        None
    }

    /// `{ .. }`: its variables end with it.
    pub fn block(&mut self, block: &Block, wanted: Option<&Ty>) -> Result<Id> {
        self.variables.enter();
        let value = match self.statements(&block.stmts) {
            Some(e) => self.value(e, wanted),
            None => Err(Diag::block_without_value(block.span())),
        };
        self.variables.leave();
        value
    }

    /// The values of a tuple, or the one value.
    pub fn parts(&mut self, id: Id) -> Vec<Id> {
        let span = self.graph.nodes[id].span;
        match (self.ty(id).clone(), &self.graph.nodes[id].kind) {
            (Ty::Tuple(_), Kind::Tuple(ids)) => ids.clone(),
            (Ty::Tuple(types), _) => types
                .into_iter()
                .enumerate()
                .map(|(i, t)| self.push(Kind::Item(id, i), t, span))
                .collect(),
            _ => vec![id],
        }
    }

    /// The last expression, which must have the declared type.
    fn finish(&mut self, e: &Expr, method: &Method) {
        let id = match self.value(e, Some(&method.ret)) {
            Ok(id) => id,
            Err(e) => return self.errors.push(e),
        };
        self.graph.result = Some(id);
        if !self.ty(id).fits(&method.ret) {
            let wanted = self.show(&method.ret);
            let found = self.describe(id);
            self.errors
                .push(Diag::returns_other(e.span(), &method.name, wanted, found));
        }
    }

    pub fn show(&self, ty: &Ty) -> String {
        show(ty, &self.model.names)
    }

    pub fn statement(&mut self, s: &Stmt) -> Result<()> {
        match s {
            Stmt::Local(l) => {
                let init = l.init.as_ref().filter(|i| i.diverge.is_none());
                let Some(init) = init else {
                    return Err(Diag::let_without_value(l.span()));
                };
                self.bind_let(&l.pat, &init.expr)
            }
            Stmt::Expr(Expr::Assign(a), _) if matches!(&*a.left, Expr::Tuple(_)) => {
                self.assign_all(&a.left, &a.right)
            }
            Stmt::Expr(Expr::MethodCall(m), _) if m.method == "push" => {
                let Expr::Path(p) = &*m.receiver else {
                    return Err(Diag::push_form(m.span()));
                };
                let args: Vec<&Expr> = m.args.iter().collect();
                self.push_value(p.path.require_ident()?, &args, m.span())
            }
            Stmt::Expr(Expr::Assign(a), _) => {
                let target = self.target(&a.left)?;
                let id = self.value(&a.right, Some(&self.wanted(&target)?))?;
                self.assign_target(&target, id)
            }
            // `h += e;` is `h = h + e;`.
            Stmt::Expr(Expr::Binary(b), _) if compound(b).is_some() => {
                let target = self.target(&b.left)?;
                let op = compound(b).unwrap_or_default();
                let id = self.named(op, &[&b.left, &b.right], b.span())?;
                self.assign_target(&target, id)
            }
            Stmt::Expr(Expr::ForLoop(f), _) => self.layers(f),
            // `{ .. }`: its variables end with it.
            Stmt::Expr(Expr::Block(b), _) if b.label.is_none() => {
                self.variables.enter();
                let last = self.statements(&b.block.stmts);
                let done = match last {
                    None => Ok(()),
                    Some(Expr::If(e)) => self.branch(e, None, false).map(|_| ()),
                    Some(e) => Err(Diag::value_unused(e.span())),
                };
                self.variables.leave();
                done
            }
            Stmt::Expr(Expr::If(e), _) => self.branch(e, None, false).map(|_| ()),
            Stmt::Expr(e @ (Expr::Call(_) | Expr::MethodCall(_) | Expr::Macro(_)), _) => {
                self.value(e, None)?;
                Err(Diag::value_unused(e.span()))
            }
            other => {
                let (what, instead) = foreign_statement(other);
                Err(Diag::unknown_statement(other.span(), what, instead))
            }
        }
    }

    /// `(h, r) = e;`
    fn assign_all(&mut self, left: &Expr, right: &Expr) -> Result<()> {
        let Expr::Tuple(names) = left else {
            return Err(Diag::assigned_expression(left.span()));
        };
        let (mut targets, mut types) = (Vec::new(), Vec::new());
        for e in &names.elems {
            let target = self.target(e)?;
            types.push(self.wanted(&target)?);
            targets.push(target);
        }
        let wanted = Ty::Tuple(types);
        let id = self.value(right, Some(&wanted))?;
        let parts = match self.ty(id) {
            Ty::Unknown => vec![id; targets.len()],
            Ty::Tuple(_) => self.parts(id),
            _ => vec![],
        };
        if parts.len() != targets.len() {
            let found = self.describe(id);
            return Err(Diag::names_for_value(left.span(), targets.len(), found));
        }
        let mut each = targets.iter().zip(parts);
        each.try_for_each(|(target, id)| self.assign_target(target, id))
    }

    /// The variable or state on the left of an assignment.
    fn target(&self, e: &Expr) -> Result<Target> {
        match e {
            Expr::Path(p) => Ok(Target::Variable(p.path.require_ident()?.clone())),
            Expr::Field(f) => self.state(f)?.map_or_else(
                || Err(Diag::assigned_expression(e.span())),
                |name| Ok(Target::State(name, e.span())),
            ),
            _ => Err(Diag::assigned_expression(e.span())),
        }
    }

    /// The type of a variable or state before an assignment.
    fn wanted(&self, target: &Target) -> Result<Ty> {
        let id = match target {
            Target::Variable(name) => Some(self.known_variable(name)?),
            Target::State(name, _) => self.find(name),
        };
        Ok(id.map_or(Ty::Unknown, |id| self.ty(id).clone()))
    }

    fn assign_target(&mut self, target: &Target, id: Id) -> Result<()> {
        match target {
            Target::Variable(name) => self.assign(name, id),
            Target::State(name, at) => self.set_state(name, *at, id),
        }
    }

    fn bind_let(&mut self, pat: &Pat, init: &Expr) -> Result<()> {
        let (pat, declared) = match pat {
            Pat::Type(t) => (&*t.pat, Some(&*t.ty)),
            other => (other, None),
        };
        let value = match (pat, declared) {
            // The names say how many values a sub-model or function gives.
            (Pat::Tuple(t), None) => {
                let parts = Ty::Tuple(vec![Ty::Unknown; t.elems.len()]);
                self.value(init, Some(&parts))
            }
            _ => self.declared(init, declared),
        };
        // The names exist all the same, so that what uses them is not an error too.
        let (id, error) = match value {
            Ok(id) => (id, None),
            Err(e) => (self.unknown(pat.span()), Some(e)),
        };
        let bound = self.bind_pattern(pat, id);
        error.map_or(bound, Err)
    }

    /// The value of a `let`, which must have the type that it declares.
    fn declared(&mut self, init: &Expr, declared: Option<&syn::Type>) -> Result<Id> {
        let Some(t) = declared else {
            // `let window = config.sliding_window;` is a name for a number.
            let known = match init {
                Expr::Lit(_) => true,
                Expr::Path(p) => p
                    .path
                    .get_ident()
                    .is_none_or(|n| self.find(&n.to_string()).is_some()),
                _ => false,
            };
            if self.is_mask(init) {
                let id = self.push(Kind::Tuple(vec![]), Ty::Tuple(vec![]), init.span());
                let mask = match init {
                    Expr::Call(c) if c.args.len() == 1 && self.is_number(&c.args[0]) => {
                        let n = self.number(&c.args[0]);
                        syn::parse_quote!(sliding(#n))
                    }
                    other => other.clone(),
                };
                self.masks.insert(id, mask);
                return Ok(id);
            }
            return match self.is_number(init) && !known {
                true => Ok(self.push(Kind::Number(self.number(init)), Ty::Number, init.span())),
                false => self.value(init, None),
            };
        };
        let ty = signature::ty(t, &self.model.names)?;
        let cached = self.graph.nodes.iter().any(|n| n.ty == Ty::Cache);
        let ty = if cached { signature::with_past(ty) } else { ty };
        signature::check_free(&ty, &self.free, t.span())?;
        let id = self.value(init, Some(&ty))?;
        if !self.ty(id).fits(&ty) {
            let (want, found) = (self.show(&ty), self.describe(id));
            return Err(Diag::declared_other(t.span(), want, found));
        }
        Ok(id)
    }

    /// Names for a value: `a`, `_`, `(a, b)` and these in each other.
    fn bind_pattern(&mut self, pat: &Pat, id: Id) -> Result<()> {
        match pat {
            Pat::Ident(i) if i.subpat.is_none() && i.by_ref.is_none() => {
                signature::not_reserved(&i.ident)?;
                self.bind(&i.ident, i.mutability.is_some(), id);
                Ok(())
            }
            Pat::Wild(_) => Ok(()),
            Pat::Paren(p) => self.bind_pattern(&p.pat, id),
            Pat::Tuple(t) => {
                let parts = match self.ty(id) {
                    Ty::Tuple(_) => self.parts(id),
                    Ty::Unknown => vec![id; t.elems.len()],
                    _ => vec![],
                };
                if parts.len() != t.elems.len() {
                    let found = self.describe(id);
                    let unknown = self.unknown(pat.span());
                    for p in &t.elems {
                        self.bind_pattern(p, unknown)?;
                    }
                    return Err(Diag::names_for_value(pat.span(), t.elems.len(), found));
                }
                let each = t.elems.iter().zip(parts);
                each.into_iter()
                    .try_for_each(|(p, id)| self.bind_pattern(p, id))
            }
            other => {
                let unknown = self.unknown(pat.span());
                if let Pat::Slice(s) = other {
                    for p in &s.elems {
                        self.bind_pattern(p, unknown)?;
                    }
                }
                Err(Diag::unknown_pattern(other.span()))
            }
        }
    }

    /// The value of a variable, which is read.
    pub fn lookup(&self, name: &Ident) -> Result<Id> {
        self.variables.read(&name.to_string());
        self.known_variable(name)
    }

    fn known_variable(&self, name: &Ident) -> Result<Id> {
        self.find(&name.to_string()).ok_or_else(|| {
            let near = suggest(&name.to_string(), self.variables.names());
            Diag::unknown_variable(name.span(), name, near)
        })
    }
}

/// The left of an assignment.
enum Target {
    /// A variable.
    Variable(Ident),
    /// A state, by the names of its cache and itself.
    State(String, Span),
}

/// The operation of `+=` and its like.
pub(crate) fn compound(b: &syn::ExprBinary) -> Option<&'static str> {
    match b.op {
        syn::BinOp::AddAssign(_) => Some("add"),
        syn::BinOp::SubAssign(_) => Some("subtract"),
        syn::BinOp::MulAssign(_) => Some("multiply"),
        syn::BinOp::DivAssign(_) => Some("divide"),
        _ => None,
    }
}

/// The variable of generated code that holds a value.
pub fn variable(id: Id) -> Ident {
    format_ident!("__v{}", id, span = Span::mixed_site())
}
