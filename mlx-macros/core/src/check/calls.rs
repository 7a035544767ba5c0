//! Checks calls of operations, layers, sub-models and methods.
//!
//! Tests: `tests/planted.rs`; `mlx-tests --test language`.

use std::collections::BTreeMap;

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use crate::check::build::Builder;
use crate::check::methods::by_name;
use crate::check::values::type_text;
use crate::diag::{foreign, suggest, Diag, Result};
use crate::ir::{Arg, Call, Callee, Ctx, Id, Kind, Op, Place, LAYER, P};
use crate::ops::rules;
use crate::syntax::dims::{is_free, Dim, Shape};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::Inner;
use crate::syntax::signature::{Dt, Ty};

impl Builder<'_> {
    /// An operation: arguments in order or by name, then its rule.
    pub(crate) fn op(&mut self, op: &'static Op, args: &[&Expr], span: Span) -> Result<Id> {
        if let Some(id) = self.several_axes(op.name, args, span)? {
            return Ok(id);
        }
        if let Some(d) = without_brackets(op, args) {
            return Err(d);
        }
        let mut found: Vec<Option<(Arg, Span)>> = op.params.iter().map(|_| None).collect();
        let mut unknown = false;
        for (i, e) in args.iter().enumerate() {
            let (at, e) = match e {
                Expr::Assign(a) => (self.keyword(op, &a.left)?, &*a.right),
                e => (i, *e),
            };
            let Some((_, kind)) = op.params.get(at) else {
                let (takes, found) = (signature(op), args.len());
                let d = Diag::too_many_arguments(e.span(), op.name, takes, found);
                return Err(d);
            };
            if found[at].is_some() {
                let name = op.params[at].0;
                return Err(Diag::argument_twice(e.span(), op.name, name));
            }
            // `sum(x, -1, keepdims)`: the flag's name alone sets it.
            let named = |e: &Expr| matches!(e, Expr::Path(p) if p.path.is_ident(op.params[at].0));
            if *kind == P::Bool && named(e) && self.find(op.params[at].0).is_none() {
                found[at] = Some((Arg::Bool(syn::parse_quote!(true)), e.span()));
                continue;
            }
            if *kind == P::Mask {
                let other = |i: usize| match found.get(i) {
                    Some(Some((Arg::Value(id), _))) => Some(*id),
                    _ => None,
                };
                let others = [other(0), other(1)];
                match self.masked(e, others) {
                    Ok(None) => {}
                    Ok(Some(id)) => {
                        unknown |= *self.ty(id) == Ty::Unknown;
                        found[at] = Some((Arg::Value(id), e.span()));
                        continue;
                    }
                    Err(d) => {
                        self.errors.push(d);
                        unknown = true;
                        found[at] = Some((Arg::Absent, span));
                        continue;
                    }
                }
            }
            match self.argument(e, *kind) {
                Ok(a) => {
                    unknown |= a.values().iter().any(|id| *self.ty(*id) == Ty::Unknown);
                    found[at] = Some((a, e.span()));
                }
                // The other arguments may hold mistakes of their own.
                Err(e) => {
                    self.errors.push(e);
                    unknown = true;
                    found[at] = Some((Arg::Absent, span));
                }
            }
        }
        let (mut list, mut spans) = (Vec::new(), Vec::new());
        for ((name, kind), arg) in op.params.iter().zip(found) {
            match arg {
                Some((a, s)) => {
                    list.push(a);
                    spans.push(s);
                }
                None => match kind.default().or_else(|| self.turned(op, &list)) {
                    Some(a) => {
                        list.push(a);
                        spans.push(span);
                    }
                    None => {
                        let takes = signature(op);
                        return Err(Diag::argument_missing(span, op.name, takes, name));
                    }
                },
            }
        }
        if unknown {
            return Ok(self.push(Kind::Tuple(vec![]), Ty::Unknown, span));
        }
        if let ("where_", [_, x @ Arg::Scalar(_), Arg::Scalar(_)]) = (op.name, &list[..]) {
            // Two numbers have the dtype of the activations.
            let number = vec![Arg::Dims(vec![]), x.clone(), Arg::Dtype(Dt::Float)];
            list[1] = Arg::Value(self.apply("full", number, span)?);
        }
        weak_operands(op, &mut list, &spans)?;
        Ok(self.ruled(op, list, &spans, span))
    }

    /// An operation with its arguments, whose type its rule gives.
    pub(crate) fn ruled(
        &mut self,
        op: &'static Op,
        list: Vec<Arg>,
        spans: &[Span],
        span: Span,
    ) -> Id {
        let ctx = Ctx {
            op,
            args: &list,
            spans,
            span,
            graph: &self.graph,
            names: &self.model.names,
            facts: &self.known,
        };
        // Readers of the result are not wrong because of this mistake.
        let ty = rules::check(&ctx).and_then(|()| (op.rule)(&ctx));
        let ty = ty.unwrap_or_else(|e| {
            self.errors.push(e);
            Ty::Unknown
        });
        self.push(Kind::Op { op, args: list }, ty, span)
    }

    /// `transpose(a)` turns all axes.
    fn turned(&self, op: &Op, list: &[Arg]) -> Option<Arg> {
        let ("transpose", [Arg::Value(a)]) = (op.name, list) else {
            return None;
        };
        match self.ty(*a) {
            Ty::Tensor(shape, _) => Some(Arg::Ints((0..shape.len() as i64).rev().collect())),
            _ => Some(Arg::Ints(vec![])),
        }
    }

    fn keyword(&self, op: &'static Op, key: &Expr) -> Result<usize> {
        let name = match key {
            Expr::Path(p) => p
                .path
                .get_ident()
                .map(ToString::to_string)
                .unwrap_or_default(),
            _ => String::new(),
        };
        op.params
            .iter()
            .position(|(n, kind)| *n == name || other_name(*kind) == Some(&name))
            .ok_or_else(|| {
                let takes = |n: &&str| {
                    op.params
                        .iter()
                        .any(|p| p.0 == *n || other_name(p.1) == Some(n))
                };
                let near = match foreign::argument(&name).filter(takes) {
                    Some("mask") if name == "is_causal" => {
                        " (write `causal` as the mask)".to_string()
                    }
                    Some(ours) => format!(" (did you mean `{ours}`?)"),
                    None => suggest(&name, op.params.iter().map(|p| p.0)),
                };
                Diag::unknown_argument(key.span(), op.name, name, near, signature(op))
            })
    }

    /// `self.name(..)`: a layer, a sub-model or another method.
    pub(crate) fn member(
        &mut self,
        name: &Ident,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        if self.in_stack() {
            return Err(Diag::loop_member(span, name));
        }
        if !self.model.fields.iter().any(|f| f.name == *name) {
            if let Some(m) = self.methods.iter().find(|m| m.name == *name) {
                return self.method(m, args, span);
            }
        }
        let field = self.field(name)?;
        if field.broken {
            self.values(args)?;
            return Ok(self.unknown(span));
        }
        self.present(field, name.span())?;
        self.single_or_model(name, &field.kind, args, span, wanted)
    }

    /// A layer of a stack of single layers.
    pub(crate) fn single(
        &mut self,
        name: &Ident,
        kind: &FieldKind,
        args: &[&Expr],
        span: Span,
    ) -> Result<Id> {
        self.single_or_model(name, kind, args, span, None)
    }

    fn single_or_model(
        &mut self,
        name: &Ident,
        kind: &FieldKind,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        let (rank_in, out) = match kind {
            FieldKind::Linear { out, input, .. } => (Some(input.clone()), Some(out.clone())),
            FieldKind::Layer(held) => return self.layer(name, held, args, span),
            FieldKind::Rope { dims, .. } => (Some(dims.clone()), None),
            FieldKind::Embedding { dim, .. } => (None, Some(dim.clone())),
            FieldKind::Model => {
                let (model, what) = (self.field(name)?.ty.clone(), format!("self.{name}"));
                return self.sub_model((name, what), model, args, span, wanted);
            }
            FieldKind::Param { .. } | FieldKind::Layers { .. } => {
                let text = type_text(self.field(name)?);
                return Err(Diag::not_callable(name.span(), name, text));
            }
        };
        let rope = matches!(kind, FieldKind::Rope { .. });
        let (want, what) = if rope {
            (2, "a tensor and a cache")
        } else {
            (1, "one tensor")
        };
        if args.len() != want {
            return Err(Diag::layer_arguments(span, name, what, args.len()));
        }
        let mut list = vec![Arg::Value(self.value(args[0], None)?)];
        if rope {
            let cache = self.value(args[1], None)?;
            if *self.ty(cache) != Ty::Cache {
                let found = self.describe(cache);
                return Err(Diag::expected_cache(args[1].span(), found));
            }
            list.push(Arg::Value(cache));
        }
        let x = list[0].values()[0];
        let (mut shape, dtype) = match self.ty(x).clone() {
            Ty::Tensor(s, d) => (s, d),
            Ty::Unknown => return Ok(self.push(Kind::Tuple(vec![]), Ty::Unknown, span)),
            _ => return Err(Diag::expected_tensor(args[0].span(), self.describe(x))),
        };
        let at = args[0].span();
        let dtype = match rank_in {
            Some(input) => {
                if !matches!(dtype, Dt::Float) {
                    return Err(Diag::layer_dtype(at, name, self.describe(x)));
                }
                if rope && (shape.len() != 4 || !crate::check::arguments::by_position(&shape)) {
                    return Err(Diag::rope_shape(at, name, self.describe(x)));
                }
                if shape.last() != Some(&input) {
                    return Err(self.layer_input(at, name, &input, x));
                }
                if let (Some(out), Some(last)) = (out, shape.last_mut()) {
                    *last = out;
                }
                dtype
            }
            None => {
                if !matches!(dtype, Dt::I32 | Dt::U32) {
                    return Err(Diag::index_dtype(at, name, self.describe(x)));
                }
                shape.extend(out);
                Dt::Float
            }
        };
        let leaf = Kind::Leaf {
            field: name.clone(),
            args: list,
            dequantize: false,
        };
        Ok(self.push(leaf, Ty::Tensor(shape, dtype), span))
    }

    /// The error for a value with another last dim than the layer expects.
    fn layer_input(&self, at: Span, name: &Ident, want: &Dim, x: Id) -> Diag {
        let field = self.model.fields.iter().find(|f| f.name == *name);
        let line = field.map_or(0, |f| f.name.span().start().line);
        let want = self.model.names.dim(want);
        Diag::layer_input(at, name, line, want, self.describe(x))
    }

    /// Values for the arguments of a model, method or function, with their places.
    pub(crate) fn values(&mut self, args: &[&Expr]) -> Result<Vec<(Id, Span)>> {
        args.iter()
            .map(|e| {
                // A name for a number of the config is read here, where the config's conditions hold.
                let id = match self.is_number(e) {
                    true => {
                        let id = self.push(Kind::Number(self.number(e)), Ty::Number, e.span());
                        if let Expr::Path(p) = e {
                            let name = p.path.get_ident().map(ToString::to_string);
                            self.graph.nodes[id].name = name;
                        }
                        id
                    }
                    false => self.value(e, None)?,
                };
                Ok((id, e.span()))
            })
            .collect()
    }

    /// A sub-model, of which only the type is known here: its result is what the place declares,
    /// else the shape of its first argument. rustc compares both with its signature.
    pub(crate) fn sub_model(
        &mut self,
        (name, what): (&Ident, String),
        model: syn::Type,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        let callee = self.callee(model);
        self.sub_call((name, what), callee, args, span, wanted)
    }

    /// The names that the sizes of a sub-model have here.
    pub(crate) fn renamed(&self, name: &Ident) -> (String, Vec<(String, Dim)>) {
        let stack = self.looped.as_ref().and_then(|l| l.stack.as_ref());
        let of_loop = stack.map(|s| &s.field);
        let name = of_loop.filter(|_| name == LAYER).unwrap_or(name);
        let field = self.model.fields.iter().find(|f| f.name == *name);
        let config = field.and_then(|f| f.config.as_ref());
        config.map(Inner::renamed).unwrap_or_default()
    }

    /// A call of a method of a sub-model.
    pub(crate) fn sub_call(
        &mut self,
        (name, what): (&Ident, String),
        callee: Callee,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        let (args, named) = by_name(args)?;
        let values = self.values(&args)?;
        let Some((first, _)) = values.first() else {
            return Err(Diag::no_tensor(span, what));
        };
        let ret = result(wanted, self.ty(*first));
        let callee = (callee, what);
        let mut call = self.expect(callee, &values, (ret.clone(), place(wanted)));
        call.renamed = self.renamed(name);
        call.named = named;
        let list = values.iter().map(|(id, _)| Arg::Value(*id)).collect();
        Ok(self.push(
            Kind::Sub {
                field: name.clone(),
                args: list,
                call,
            },
            ret,
            span,
        ))
    }

    /// A type parameter of this model is known only where the model is used.
    pub(crate) fn callee(&self, model: syn::Type) -> Callee {
        let params = self.model.item.generics.type_params();
        let named: Vec<String> = params.map(|p| p.ident.to_string()).collect();
        let text = model.to_token_stream().into_iter();
        let generic = text.flat_map(flat).any(|i| named.contains(&i));
        match generic {
            true => Callee::Generic(model),
            false => Callee::Model(model),
        }
    }

    pub(crate) fn expect(
        &self,
        (callee, what): (Callee, String),
        values: &[(Id, Span)],
        (ret, place): (Ty, Place),
    ) -> Call {
        let arg = |(id, s): &(Id, Span)| (self.ty(*id).clone(), *s, self.describe(*id));
        Call {
            callee,
            what,
            args: values.iter().map(arg).collect(),
            named: vec![],
            ret,
            place,
            renamed: Default::default(),
        }
    }

    /// `linear_cross_entropy(x, self.head, targets, weights)`.
    pub(crate) fn linear_cross_entropy(&mut self, args: &[&Expr], span: Span) -> Result<Id> {
        if self.in_stack() {
            return Err(Diag::loop_member(span, "linear_cross_entropy"));
        }
        let [x, head, targets, weights] = args else {
            return Err(Diag::loss_arguments(span));
        };
        let field = self.field_name(head)?;
        if self.field(&field)?.broken {
            return Ok(self.unknown(span));
        }
        let FieldKind::Linear { input: want, .. } = &self.field(&field)?.kind else {
            let kind = type_text(self.field(&field)?);
            return Err(Diag::not_a_linear(head.span(), field, kind));
        };
        let want = want.clone();
        self.present(self.field(&field)?, head.span())?;
        let (input, targets_id) = (self.value(x, None)?, self.value(targets, None)?);
        let (shape, dtype) = match self.ty(input) {
            Ty::Tensor(s, d) => (s.clone(), *d),
            Ty::Unknown => return Ok(self.unknown(span)),
            _ => return Err(Diag::expected_tensor(x.span(), self.describe(input))),
        };
        if dtype != Dt::Float || shape.last() != Some(&want) {
            return Err(self.layer_input(x.span(), &field, &want, input));
        }
        let rows = shape[..shape.len() - 1].to_vec();
        if *self.ty(targets_id) != Ty::Tensor(rows.clone(), Dt::I32) {
            let (rows, found) = (self.noun(input), self.describe(targets_id));
            return Err(Diag::loss_targets(targets.span(), rows, found));
        }
        let weights_id = self.value(weights, None)?;
        if *self.ty(weights_id) != Ty::Tensor(rows.clone(), Dt::F32) {
            let (rows, found) = (self.noun(input), self.describe(weights_id));
            return Err(Diag::loss_weights(weights.span(), rows, found));
        }
        let kind = Kind::LinearCrossEntropy {
            field,
            input,
            targets: targets_id,
            weights: Some(weights_id),
            cap: None,
            reduction: None,
        };
        Ok(self.push(kind, Ty::Tensor(rows, Dt::F32), span))
    }
}

/// The result of a call whose callee is known by name only: as its place declares it (a `let`, or the
/// end of a method), else a value like its first one.
pub(crate) fn result(wanted: Option<&Ty>, first: &Ty) -> Ty {
    match wanted {
        Some(Ty::Tuple(parts)) => {
            let parts = parts.iter().map(|p| match p {
                Ty::Unknown => first.clone(),
                p => p.clone(),
            });
            Ty::Tuple(parts.collect())
        }
        Some(w @ Ty::Tensor(..)) => w.clone(),
        _ => first.clone(),
    }
}

/// The source of that type.
pub(crate) fn place(wanted: Option<&Ty>) -> Place {
    match wanted {
        Some(Ty::Tensor(..)) => Place::Declared,
        Some(Ty::Tuple(parts)) if !parts.contains(&Ty::Unknown) => Place::Declared,
        _ => Place::Assumed,
    }
}

/// The names in a token, those in its groups too.
pub(crate) fn flat(t: proc_macro2::TokenTree) -> Vec<String> {
    match t {
        proc_macro2::TokenTree::Ident(i) => vec![i.to_string()],
        proc_macro2::TokenTree::Group(g) => g.stream().into_iter().flat_map(flat).collect(),
        _ => vec![],
    }
}

/// The mistake of a list whose values are arguments: `x.reshape(B, L, q)`.
fn without_brackets(op: &Op, args: &[&Expr]) -> Option<Diag> {
    let given = args
        .iter()
        .take_while(|e| !matches!(e, Expr::Assign(_)))
        .count();
    let list = |k: P| matches!(k, P::Dims | P::DimsOr(_) | P::Order | P::Axes | P::Tensors);
    let at = op.params.iter().position(|p| list(p.1))?;
    let needed = op.params[at + 1..]
        .iter()
        .filter(|p| p.1.default().is_none())
        .count();
    let end = given.checked_sub(needed)?;
    let bare = !matches!(args.get(at)?, Expr::Array(_) | Expr::Tuple(_));
    // One value is an axis, or a mistake of its own.
    if !bare || end < at + 2 || given <= op.params.len() && op.params[at].1 != P::Order {
        return None;
    }
    let items: Vec<String> = args[at..end]
        .iter()
        .map(|e| e.to_token_stream().to_string())
        .collect();
    let list = format!("[{}]", items.join(", "));
    Some(Diag::list_without_brackets(
        args[at].span(),
        op.name,
        op.params[at].0,
        list,
    ))
}

/// MLX's name of an argument, where the language has another.
fn other_name(kind: P) -> Option<&'static str> {
    match kind {
        P::Axes => Some("axis"),
        P::Parts => Some("indices_or_sections"),
        _ => None,
    }
}

/// The form of an operation, for messages.
fn signature(op: &Op) -> String {
    let args: Vec<&str> = op.params.iter().map(|p| p.0).collect();
    format!("({})", args.join(", "))
}

/// A number beside a tensor takes the tensor's dtype, so that it never widens it.
fn weak_operands(op: &'static Op, list: &mut [Arg], spans: &[Span]) -> Result<()> {
    let operand = |i: usize| matches!(op.params[i].1, P::Operand | P::OptOperand);
    let like = list.iter().enumerate().find_map(|(i, a)| match a {
        Arg::Value(id) if operand(i) => Some(*id),
        _ => None,
    });
    for (i, a) in list.iter_mut().enumerate().filter(|(i, _)| operand(*i)) {
        if let Arg::Scalar(expr) = a {
            let Some(like) = like else {
                return Err(Diag::numbers_alone(spans[i], op.name));
            };
            *a = Arg::Weak {
                expr: expr.clone(),
                like,
            };
        }
    }
    Ok(())
}

/// True if `s` is an instance of `pattern`, and binds the pattern's free dims.
pub(crate) fn unify(s: &Shape, pattern: &Shape, bound: &mut BTreeMap<String, Dim>) -> bool {
    s.len() == pattern.len()
        && s.iter()
            .zip(pattern)
            .all(|(d, p)| match p.as_name().filter(|n| is_free(n)) {
                Some(name) => *bound.entry(name.to_string()).or_insert_with(|| d.clone()) == *d,
                None => p.substitute(bound) == *d,
            })
}

pub(crate) fn substitute(ty: &Ty, map: &BTreeMap<String, Dim>) -> Ty {
    match ty {
        Ty::Tensor(s, d) => Ty::Tensor(s.iter().map(|x| x.substitute(map)).collect(), *d),
        Ty::Tuple(all) => Ty::Tuple(all.iter().map(|t| substitute(t, map)).collect()),
        other => other.clone(),
    }
}
