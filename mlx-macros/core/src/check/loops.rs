//! Checks loops over a stack of layers.
//!
//! A loop that only runs its layers is one node. Any other has a body of its own: a graph of one layer's share, which
//! reads the values that the loop carries, and others from outside.
//!
//! Tests: `tests/planted.rs`; `mlx-tests --test loops`.

use proc_macro2::Span;
use quote::{format_ident, ToTokens};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, ExprForLoop, Ident, Pat, Stmt, Type};

use crate::check::build::Builder;
use crate::check::calls::flat;
use crate::check::values::type_text;
use crate::diag::{Diag, Result};
use crate::ir::{Arg, Body, Id, Kind, Place, LAYER};
use crate::ops;
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::kind::FieldKind;
use crate::syntax::signature::Ty;

/// The loop whose body is built.
pub(crate) struct Looped {
    /// The stack that it runs over; none of a loop over positions.
    pub stack: Option<Stack>,
    /// How often it runs.
    pub count: Dim,
    /// The values that are collected, and the lists that collect them.
    pub pushed: Vec<(String, Id)>,
    /// The number of `if`s around the statement.
    pub arms: usize,
}

/// The stack that a loop runs over.
#[derive(Clone)]
pub(crate) struct Stack {
    /// The variable that stands for a layer.
    pub layer: Ident,
    /// The field of the stack.
    pub field: Ident,
    /// The layer's type.
    pub model: Type,
}

impl Builder<'_> {
    /// True in the body of a loop over a stack, which runs again in the backward pass.
    pub(crate) fn in_stack(&self) -> bool {
        self.looped.as_ref().is_some_and(|l| l.stack.is_some())
    }

    /// `for layer in self.layers { h = layer(h, ..); }`, or `for t in 0..L { .. }`.
    pub(crate) fn layers(&mut self, f: &ExprForLoop) -> Result<()> {
        let form = Diag::loop_form;
        if self.looped.is_some() {
            return Err(form(f.span()));
        }
        if let Expr::Range(r) = &*f.expr {
            let zero = |e: &Expr| crate::syntax::literals::integer(e) == Some(0);
            return match (&*f.pat, r.start.as_deref(), r.end.as_deref(), r.limits) {
                (Pat::Ident(t), Some(start), Some(end), syn::RangeLimits::HalfOpen(_))
                    if zero(start) =>
                {
                    let count = self.dim(end)?;
                    self.with_body(f, None, count, Some(&t.ident))
                }
                _ => Err(Diag::steps_form(f.expr.span())),
            };
        }
        let (stack, counted) = stack_of(&f.expr);
        let (index, var) = match (&*f.pat, counted) {
            (Pat::Ident(var), false) => (None, &var.ident),
            (Pat::Tuple(t), true) => match (t.elems.first(), t.elems.last()) {
                (Some(Pat::Ident(i)), Some(Pat::Ident(var))) if t.elems.len() == 2 => {
                    (Some(&i.ident), &var.ident)
                }
                _ => return Err(form(f.pat.span())),
            },
            _ => return Err(form(f.pat.span())),
        };
        let name = self.field_name(stack)?;
        let field = self.field(&name)?;
        if field.broken {
            return Ok(());
        }
        self.present(field, name.span())?;
        let FieldKind::Layers {
            model, count, leaf, ..
        } = &field.kind
        else {
            return Err(Diag::not_a_stack(f.expr.span(), name, type_text(field)));
        };
        let (model, count, single) = (model.clone(), count.clone(), leaf.is_some());
        match (simple(f, var), index) {
            (Some((target, args)), None) if !single => self.stack(name, model, target, &args, var),
            _ => {
                let stack = Stack {
                    layer: var.clone(),
                    field: name,
                    model,
                };
                self.with_body(f, Some(stack), count, index)
            }
        }
    }

    /// A loop that only runs its layers.
    fn stack(
        &mut self,
        field: Ident,
        model: Type,
        target: &Ident,
        args: &[&Expr],
        var: &Ident,
    ) -> Result<()> {
        let values = self.values(args)?;
        let ret = self.ty(values[0].0).clone();
        let at = var.span();
        let callee = (self.callee(model), var.to_string());
        let mut call = self.expect(callee, &values, (ret.clone(), Place::Stack));
        call.renamed = self.renamed(&field);
        let (mut cache, mut extra) = (None, Vec::new());
        for (i, (id, at)) in values.iter().enumerate().skip(1) {
            match self.ty(*id) {
                Ty::Cache if cache.is_none() && i + 1 == values.len() => cache = Some(*id),
                Ty::Cache => return Err(Diag::cache_not_last(*at)),
                _ => extra.push(*id),
            }
        }
        let kind = Kind::Layers {
            field,
            carried: values[0].0,
            extra,
            cache,
            call,
        };
        let span = args.first().map_or(at, |a| a.span());
        let id = self.push(kind, ret, span);
        self.assign(target, id)
    }

    /// A loop with a body of its own.
    fn with_body(
        &mut self,
        f: &ExprForLoop,
        stack: Option<Stack>,
        count: Dim,
        index: Option<&Ident>,
    ) -> Result<()> {
        let mut written = Written::default();
        written.visit_block(&f.body);
        let tokens = f.body.to_token_stream().into_iter().flat_map(flat);
        let var = stack.as_ref().map(|s| s.layer.clone());
        let own = |n: &String| var.as_ref().is_some_and(|v| *v == n.as_str());
        let mut used: Vec<String> = tokens.filter(|n| !own(n)).collect();
        used.retain(|n| index.is_none_or(|i| *i != n.as_str()) && self.find(n).is_some());
        used.sort();
        used.dedup();
        let lists = |n: &String| self.find(n).is_some_and(|id| self.lists.contains_key(&id));
        used.retain(|n| !lists(n));
        let (carried, extra): (Vec<String>, Vec<String>) = used
            .into_iter()
            .filter(|n| {
                self.find(n)
                    .is_some_and(|id| matches!(self.ty(id), Ty::Tensor(..) | Ty::Tuple(_)))
            })
            .partition(|n| written.assigned.contains(n));
        let tensors: Vec<&String> = carried.iter().chain(&extra).collect();
        if let Some(n) = tensors.iter().find(|n| {
            self.find(n)
                .is_some_and(|id| matches!(self.ty(id), Ty::Tuple(_)))
        }) {
            return Err(Diag::loop_tuple(f.body.span(), n));
        }
        let outer: Vec<Id> = tensors.iter().filter_map(|n| self.find(n)).collect();
        let cache = self.variables.names().map(String::from).collect::<Vec<_>>();
        let cache = cache
            .iter()
            .filter_map(|n| Some((n.clone(), self.find(n)?)));
        let caches: Vec<(String, Id)> =
            cache.filter(|(_, id)| *self.ty(*id) == Ty::Cache).collect();
        let before = self.variables.scopes();
        let around = std::mem::take(&mut self.graph);
        let (lists, masks) = (
            std::mem::take(&mut self.lists),
            std::mem::take(&mut self.masks),
        );
        // The values from outside, as the body knows them.
        let mut inputs = Vec::new();
        for (name, id) in tensors.iter().zip(&outer) {
            let node = &around.nodes[*id];
            let ident = format_ident!("{name}", span = Span::mixed_site());
            inputs.push(ident.clone());
            let inner = self.push(Kind::Input(ident), node.ty.clone(), node.span);
            self.graph.nodes[inner].name = Some(name.to_string());
            match carried.contains(name) {
                true => self.variables.carry(name, inner),
                false => self.variables.place(name, inner),
            }
        }
        let others: Vec<String> = self.variables.names().map(String::from).collect();
        for name in others.iter().filter(|n| !tensors.contains(n)) {
            let Some(node) = self.find(name).and_then(|id| around.nodes.get(id)) else {
                continue;
            };
            let kind = match (&node.kind, &node.ty) {
                (Kind::Input(_), Ty::Cache) if stack.is_some() => {
                    Kind::Input(format_ident!("__cache"))
                }
                (Kind::NoCache, _) => Kind::NoCache,
                (Kind::Number(e), _) => Kind::Number(e.clone()),
                (Kind::Input(n), ty) if ty.is_number() => Kind::Input(n.clone()),
                // It is named nowhere in the body, or is a list.
                _ => {
                    let none = self.push(Kind::Tuple(vec![]), Ty::Tuple(vec![]), f.span());
                    self.variables.place(name, none);
                    continue;
                }
            };
            let (ty, span) = (node.ty.clone(), node.span);
            let inner = self.push(kind, ty, span);
            self.variables.place(name, inner);
        }
        self.looped = Some(Looped {
            stack: stack.clone(),
            count: count.clone(),
            pushed: vec![],
            arms: 0,
        });
        let known = self.known.clone();
        if let Some(i) = index {
            self.index = Some(i.clone());
            self.known = known.counted(&i.to_string());
        }
        self.variables.enter();
        let mistakes = self.errors.len();
        for s in &f.body.stmts {
            if let Err(e) = self.statement(s) {
                self.errors.push(e);
            }
        }
        self.variables.leave();
        self.known = known;
        self.index = None;
        let pushed = self.looped.take().map_or(vec![], |l| l.pushed);
        let values: Vec<Id> = carried.iter().filter_map(|n| self.find(n)).collect();
        self.variables.carried();
        let mut all = values.clone();
        all.extend(pushed.iter().map(|(_, id)| *id));
        let mut types: Vec<Ty> = all.iter().map(|id| self.ty(*id).clone()).collect();
        // A value that changes its shape would not fit the next layer.
        let mut wrong = Vec::new();
        for (i, ((name, id), at)) in carried.iter().zip(&values).zip(&outer).enumerate() {
            let first = &around.nodes[*at].ty;
            if !self.ty(*id).fits(first) {
                let (was, found) = (self.show(first), self.describe(*id));
                wrong.push(Diag::loop_changes(
                    self.graph.nodes[*id].span,
                    name,
                    was,
                    found,
                ));
                // The statements behind it are judged by the shape from before.
                types[i] = first.clone();
            }
        }
        self.errors.extend(wrong);
        self.one_reader_of_each_cache();
        let result = self.push(Kind::Tuple(all), Ty::Tuple(types.clone()), f.span());
        self.graph.result = Some(result);
        let calls = self.graph.nodes.iter().filter_map(|n| match &n.kind {
            Kind::Sub { args, .. } => Some(args),
            Kind::Leaf { field, args, .. } if field == LAYER => Some(args),
            _ => None,
        });
        let calls: Vec<&Vec<Arg>> = calls.collect();
        if let (true, Some(var), true) = (calls.is_empty(), &var, self.errors.len() == mistakes) {
            self.errors
                .push(Diag::loop_without_layer(f.body.span(), var));
        }
        let shapes: Vec<Shape> = calls.first().map_or(vec![], |args| {
            let values = args.iter().flat_map(Arg::values);
            let shape = |id: Id| match self.ty(id) {
                Ty::Tensor(s, _) => Some(s.clone()),
                _ => None,
            };
            values.filter_map(shape).collect()
        });
        let graph = std::mem::replace(&mut self.graph, around);
        let reads_cache = graph.nodes.iter().any(|n| {
            n.inputs().iter().any(|i| {
                matches!(
                    (&graph.nodes[*i].kind, &graph.nodes[*i].ty),
                    (Kind::Input(_) | Kind::Held { .. }, Ty::Cache)
                )
            })
        });
        let cache = caches
            .into_iter()
            .find(|(_, id)| reads_cache && matches!(self.graph.nodes[*id].kind, Kind::Input(_)));
        (self.lists, self.masks) = (lists, masks);
        self.variables.restore(&before);
        let (first, more) = outer.split_at(carried.len());
        let body = Box::new(Body {
            graph,
            inputs,
            index: index.cloned(),
            model: stack.as_ref().map(|s| s.model.clone()),
            shapes,
        });
        let stacked = |(i, ty): (usize, &Ty)| match ty {
            Ty::Tensor(s, d) if i >= carried.len() => {
                Ty::Tensor([std::slice::from_ref(&count), s].concat(), *d)
            }
            other => other.clone(),
        };
        let outs: Vec<Ty> = types.iter().enumerate().map(stacked).collect();
        let (carried_ids, extra_ids) = (first.to_vec(), more.to_vec());
        let kind = match stack {
            Some(Stack { field, .. }) => Kind::Loop {
                field,
                carried: carried_ids,
                extra: extra_ids,
                cache: cache.map(|(_, id)| id),
                body,
            },
            None => Kind::Steps {
                count: count.clone(),
                carried: carried_ids,
                extra: extra_ids,
                body,
            },
        };
        let at = f.for_token.span;
        let whole = self.push(kind, Ty::Tuple(outs.clone()), at);
        let parts: Vec<Id> = outs
            .into_iter()
            .enumerate()
            .map(|(i, ty)| self.push(Kind::Item(whole, i), ty, at))
            .collect();
        for (name, id) in carried.iter().zip(&parts) {
            self.graph.nodes[*id].name = Some(name.clone());
            self.variables.place(name, *id);
        }
        for (((list, _), ty), id) in pushed
            .iter()
            .zip(&types[carried.len()..])
            .zip(&parts[carried.len()..])
        {
            self.grow(list, *id, ty, at)?;
        }
        Ok(())
    }

    /// A call of the layer of the loop around.
    pub(crate) fn call_layer(
        &mut self,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        let Some(l) = self.looped.as_ref().and_then(|l| l.stack.as_ref()) else {
            return Ok(self.unknown(span));
        };
        let (model, what, stack) = (l.model.clone(), l.layer.to_string(), l.field.clone());
        if let FieldKind::Layers {
            leaf: Some(leaf), ..
        } = &self.field(&stack)?.kind
        {
            let field = Ident::new(LAYER, Span::call_site());
            return self.single(&field, leaf, args, span);
        }
        // As everywhere, a cache comes last.
        let cache = |e: &&Expr| match e {
            Expr::Path(p) => {
                let id = p.path.get_ident().and_then(|n| self.find(&n.to_string()));
                id.is_some_and(|id| *self.ty(id) == Ty::Cache)
            }
            _ => false,
        };
        if let Some(e) = args.iter().rev().skip(1).find(|e| cache(e)) {
            return Err(Diag::cache_not_last(e.span()));
        }
        let field = Ident::new(LAYER, Span::call_site());
        self.sub_model((&field, what), model, args, span, wanted)
    }

    /// `states[i]`, the part for this layer or position, and `x[0]`: one place of the first axis.
    pub(crate) fn place_of(&mut self, e: &syn::ExprIndex) -> Result<Id> {
        let (id, at) = (self.value(&e.expr, None)?, e.index.span());
        let first = match self.ty(id) {
            Ty::Tensor(s, _) => s.first().cloned(),
            Ty::Unknown => return Ok(self.unknown(e.span())),
            _ => None,
        };
        let Some(first) = first else {
            return Err(Diag::expected_tensor(e.expr.span(), self.describe(id)));
        };
        let number = crate::syntax::literals::small(&e.index).filter(|n| *n >= 0);
        if let Some(n) = number {
            let dims = |n: i64| Arg::Dims(vec![Dim::constant(n)]);
            let axis = Arg::Ints(vec![0]);
            let part = vec![Arg::Value(id), dims(n), dims(n + 1), dims(1), axis];
            let part = self.apply("slice", part, e.span())?;
            let whole = vec![Arg::Value(part), Arg::Int(0)];
            return self.apply("squeeze", whole, e.span());
        }
        let counts = matches!(&*e.index, Expr::Path(p) if self.index.as_ref().is_some_and(|i| p.path.is_ident(i)));
        match self
            .looped
            .as_ref()
            .map(|l| l.count.clone())
            .filter(|_| counts)
        {
            Some(count) if count != first => {
                let count = self.model.names.dim(&count);
                return Err(Diag::place_of_others(at, count, self.describe(id)));
            }
            None => return Err(Diag::place_form(at)),
            Some(_) => {}
        }
        let index = Arg::Scalar(self.number(&e.index));
        let dtype = Arg::Dtype(crate::syntax::signature::Dt::I32);
        let index = self.apply("full", vec![Arg::Dims(vec![]), index, dtype], at)?;
        let chosen = vec![Arg::Value(id), Arg::Value(index), Arg::Int(0)];
        self.apply("take", chosen, e.span())
    }

    /// An operation of values that are there already.
    pub(crate) fn apply(&mut self, name: &str, args: Vec<Arg>, span: Span) -> Result<Id> {
        match ops::find(name) {
            Some(op) => {
                let spans = vec![span; args.len()];
                Ok(self.ruled(op, args, &spans, span))
            }
            None => Err(Diag::unknown_operation(span, name, "")),
        }
    }
}

/// The stack that a loop runs over, and true if the layers are counted.
fn stack_of(e: &Expr) -> (&Expr, bool) {
    match e {
        Expr::Paren(p) => stack_of(&p.expr),
        Expr::Reference(r) => stack_of(&r.expr),
        Expr::MethodCall(m) if m.args.is_empty() && m.method == "iter" => stack_of(&m.receiver),
        Expr::MethodCall(m) if m.args.is_empty() && m.method == "enumerate" => {
            (stack_of(&m.receiver).0, true)
        }
        other => (other, false),
    }
}

/// `h = layer(h, ..);` as the only statement: the variable and the arguments.
fn simple<'e>(f: &'e ExprForLoop, var: &Ident) -> Option<(&'e Ident, Vec<&'e Expr>)> {
    let [Stmt::Expr(Expr::Assign(a), _)] = &f.body.stmts[..] else {
        return None;
    };
    let (Expr::Path(target), Expr::Call(call)) = (&*a.left, &*a.right) else {
        return None;
    };
    let target = target.path.get_ident()?;
    let args: Vec<&Expr> = call.args.iter().collect();
    let runs = matches!(&*call.func, Expr::Path(p) if p.path.is_ident(var));
    let feeds = matches!(args.first(), Some(Expr::Path(p)) if p.path.is_ident(target));
    (runs && feeds).then_some((target, args))
}

/// The variables that a block assigns.
#[derive(Default)]
struct Written {
    assigned: Vec<String>,
}

impl Visit<'_> for Written {
    fn visit_expr_assign(&mut self, a: &syn::ExprAssign) {
        self.target(&a.left);
        visit::visit_expr_assign(self, a);
    }

    fn visit_expr_binary(&mut self, b: &syn::ExprBinary) {
        if crate::check::build::compound(b).is_some() {
            self.target(&b.left);
        }
        visit::visit_expr_binary(self, b);
    }
}

impl Written {
    fn target(&mut self, e: &Expr) {
        match e {
            Expr::Path(p) => self
                .assigned
                .extend(p.path.get_ident().map(ToString::to_string)),
            Expr::Tuple(t) => t.elems.iter().for_each(|e| self.target(e)),
            _ => {}
        }
    }
}
