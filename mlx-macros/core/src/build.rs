//! From bodies to typed graphs: names are resolved, every expression gets its shape and dtype,
//! and each mistake is reported at its own tokens. A value with a mistake is `Unknown`, which
//! silences those that would only follow from it.

use std::collections::BTreeMap;

use proc_macro2::Span;
use quote::{format_ident, ToTokens};
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Block, Expr, ExprIf, Ident, Pat, Stmt};

use crate::condition;
use crate::diag::{suggest, Diag, Result};
use crate::ir::{Arm, Graph, Id, Kind, Node};
use crate::logic::Facts;
use crate::ops::{describe, noun};
use crate::parse::ModelDef;
use crate::signature::{self, Method, Ty};
use crate::variables::{Sizes, Variables};

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
        facts: model.known.clone(),
        known: model.names.facts.clone(),
        sizes: Sizes::default(),
        idle: Vec::new(),
        errors: Vec::new(),
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
    b.errors.extend(infinite_numbers(&method.body));
    b.body(method);
    b.one_reader_of_each_cache();
    b.positions_before_updates();
    b.updates_behind_positions();
    // What a field with a mistake would read is not known.
    if b.errors.is_empty() && !model.fields.iter().any(|f| f.broken) {
        let unread = b.variables.unread(arguments, |i| b.binds_a_size(method, i));
        b.errors.extend(unread);
        b.errors.append(&mut b.idle);
    }
    b.graph.guarded = b.sizes.guarded_alone();
    (b.graph, b.errors)
}

/// Numbers of a body that are beyond the range of a float.
fn infinite_numbers(body: &Block) -> Vec<Diag> {
    struct Numbers(Vec<Diag>);
    impl Visit<'_> for Numbers {
        fn visit_expr(&mut self, e: &Expr) {
            match e {
                Expr::Lit(_) => {
                    let found = crate::args::infinite(e).map(Diag::number_too_large);
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
    pub facts: Vec<String>,
    /// The same, for what follows from them.
    pub known: Facts,
    /// The sizes that the body names.
    pub sizes: Sizes,
    /// Writings without effect, which are mistakes if there is no other.
    pub idle: Vec<Diag>,
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

    /// Positions count from the cache's end, which an update moves: what counts them comes first.
    fn positions_before_updates(&mut self) {
        let mut updates: Vec<(Id, Id)> = Vec::new();
        let mut late = Vec::new();
        for (at, node) in self.graph.nodes.iter().enumerate() {
            if let Kind::CacheUpdate { cache, .. } = node.kind {
                updates.push((at, cache));
                continue;
            }
            let counts = match &node.kind {
                Kind::Leaf { .. } => true,
                Kind::Op { op, .. } => op.name == "positions",
                _ => false,
            };
            let reads = node.inputs();
            let moved = updates.iter().find(|(update, cache)| {
                counts && reads.contains(cache) && !self.graph.exclusive(*update, at)
            });
            if let Some((update, _)) = moved {
                let line = self.graph.nodes[*update].span.start().line;
                late.push(Diag::positions_late(node.span, line));
            }
        }
        self.errors.extend(late);
    }

    /// Positions count what the cache holds, so that some layer must put something in.
    fn updates_behind_positions(&mut self) {
        for (at, node) in self.graph.nodes.iter().enumerate() {
            let (Kind::Input(name), Ty::Cache) = (&node.kind, &node.ty) else {
                continue;
            };
            let readers = self.graph.nodes.iter().filter(|n| n.inputs().contains(&at));
            let counts = |n: &&Node| matches!(n.kind, Kind::Leaf { .. } | Kind::Op { .. });
            let (counted, updated): (Vec<&Node>, Vec<&Node>) = readers.partition(counts);
            if let (Some(first), true) = (counted.first(), updated.is_empty()) {
                self.idle.push(Diag::never_updated(first.span, name));
            }
        }
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

    /// A cache has one slot for each layer of a stack: two users would write the same one.
    fn one_reader_of_each_cache(&mut self) {
        let mut users: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        let mut again = Vec::new();
        for (at, node) in self.graph.nodes.iter().enumerate() {
            let reads = |id: &Id| {
                matches!(self.graph.nodes[*id].kind, Kind::Input(_)) && *self.ty(*id) == Ty::Cache
            };
            let uses = matches!(
                node.kind,
                Kind::CacheUpdate { .. }
                    | Kind::Sub { .. }
                    | Kind::Method { .. }
                    | Kind::Function { .. }
                    | Kind::Layers { .. }
            );
            for cache in node.inputs().into_iter().filter(|id| uses && reads(id)) {
                let before = users.entry(cache).or_default();
                // Of the two arms of an `if` only one is run.
                let earlier = before.iter().find(|b| !self.graph.exclusive(**b, at));
                if let Some(earlier) = earlier {
                    let line = self.graph.nodes[*earlier].span.start().line;
                    again.push(Diag::cache_shared(node.span, line));
                }
                before.push(at);
            }
        }
        self.errors.extend(again);
    }

    /// A variable's name for a value; the first name a value gets is the one messages use.
    fn bind(&mut self, name: &Ident, mutable: bool, id: Id) {
        self.graph.nodes[id].name.get_or_insert(name.to_string());
        self.variables.bind(name, mutable, id);
    }

    /// Gives a variable of this block or one around it a new value.
    pub fn assign(&mut self, name: &Ident, id: Id) -> Result<()> {
        self.graph.nodes[id].name.get_or_insert(name.to_string());
        match self.variables.assign(name, id) {
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
        match self.statements(&method.body.stmts) {
            Some(e) => self.finish(e, method),
            None => {
                let want = self.show(&method.ret);
                let at = method.name.span();
                self.errors
                    .push(Diag::body_without_value(at, &method.name, want));
            }
        }
    }

    /// Runs all statements and gives back the expression at the end, if there is one.
    fn statements<'e>(&mut self, stmts: &'e [Stmt]) -> Option<&'e Expr> {
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

    /// `if condition { .. } else { .. }`: both arms are built; what they give and what they assign
    /// must agree. Gives back the value, where the `if` has one.
    pub fn branch(&mut self, e: &ExprIf, wanted: Option<&Ty>, value: bool) -> Result<Option<Id>> {
        condition::check(&e.cond, condition::Names::Config)?;
        if self.model.function {
            return Err(Diag::condition_in_function(e.cond.span()));
        }
        self.idle
            .extend(crate::parse::decided(&e.cond, &self.known));
        let before = self.variables.scopes();
        let (known, around) = (self.facts.len(), self.known.clone());
        let cond = condition::guarded(&e.cond, &self.facts);
        self.facts.extend(condition::facts(&e.cond));
        self.known = around.and(&e.cond, true);
        let then = self.arm(value, wanted, e.then_branch.span(), |b| {
            b.statements(&e.then_branch.stmts)
        });
        self.facts.truncate(known);
        let scopes = self.variables.replace(before.clone());
        self.facts.extend(condition::denied(&e.cond));
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
        self.facts.truncate(known);
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

    /// An `if` that changes nothing, or whose arms are one.
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
        let last = run(self);
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

    /// The values of a tuple, or the one value.
    fn parts(&mut self, id: Id) -> Vec<Id> {
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

    /// The last expression, whose type must be the declared one.
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
            Ty::Number => "a number".to_string(),
            Ty::Unknown => "unknown".to_string(),
        }
    }

    fn statement(&mut self, s: &Stmt) -> Result<()> {
        match s {
            Stmt::Local(l) => {
                let init = l.init.as_ref().filter(|i| i.diverge.is_none());
                let Some(init) = init else {
                    return Err(Diag::let_without_value(l.span()));
                };
                self.bind_let(&l.pat, &init.expr)
            }
            Stmt::Expr(Expr::Assign(a), _) => {
                let Expr::Path(p) = &*a.left else {
                    return Err(Diag::assigned_expression(a.left.span()));
                };
                let name = p.path.require_ident()?.clone();
                let old = self.known_variable(&name)?;
                let id = self.value(&a.right, Some(&self.ty(old).clone()))?;
                self.assign(&name, id)
            }
            Stmt::Expr(Expr::ForLoop(f), _) => self.layers(f),
            Stmt::Expr(Expr::If(e), _) => self.branch(e, None, false).map(|_| ()),
            Stmt::Expr(e @ (Expr::Call(_) | Expr::MethodCall(_) | Expr::Macro(_)), _) => {
                self.value(e, None)?;
                Err(Diag::value_unused(e.span()))
            }
            other => Err(Diag::unknown_statement(other.span())),
        }
    }

    fn bind_let(&mut self, pat: &Pat, init: &Expr) -> Result<()> {
        let (pat, declared) = match pat {
            Pat::Type(t) => (&*t.pat, Some(&*t.ty)),
            other => (other, None),
        };
        let value = match (pat, declared) {
            // How many values a sub-model or function gives is known by the names for them.
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
            let field = matches!(init, Expr::Lit(_) | Expr::Path(_));
            return match self.is_number(init) && !field {
                true => Ok(self.push(Kind::Number(self.number(init)), Ty::Number, init.span())),
                false => self.value(init, None),
            };
        };
        let ty = signature::ty(t, &self.model.names)?;
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
            other => Err(Diag::unknown_pattern(other.span())),
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

/// An arm's first node, and its value with its parts where it gives one.
type Built = (Id, Option<(Ty, Vec<Id>)>);

/// The variable of generated code that holds a value.
pub fn variable(id: Id) -> Ident {
    format_ident!("__v{}", id, span = Span::mixed_site())
}
