//! Writes a region as a function of its own: its arguments, its operations and its name.
//!
//! Tests: `tests/regions.rs`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Span;
use quote::{format_ident, ToTokens};
use syn::{Expr, Ident, Visibility};

use super::{Pass, MOST_INPUTS};
use crate::ir::{Arg, Graph, Id, Kind, Node, Region};
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::literals::literal;
use crate::syntax::signature::{Argument, Method, Ty};

impl Pass<'_> {
    /// The values outside that members read.
    pub(super) fn inputs(&self, members: &BTreeSet<Id>) -> Vec<Id> {
        let mut inputs: Vec<Id> = Vec::new();
        for i in members.iter().flat_map(|m| self.graph.nodes[*m].inputs()) {
            if !members.contains(&i) && !inputs.contains(&i) {
                inputs.push(i);
            }
        }
        inputs
    }

    /// The region as a function.
    pub(super) fn function(&self, members: &BTreeSet<Id>, outputs: Vec<Id>) -> Option<Region> {
        let outer = &self.graph.nodes;
        let inputs = self.inputs(members);
        let sized = inputs.iter().chain(members).all(|id| match &outer[*id].ty {
            Ty::Tensor(shape, _) => shape.iter().all(|d| self.bound(d)),
            Ty::Tuple(_) => true,
            _ => false,
        });
        if inputs.len() > MOST_INPUTS || !sized {
            return None;
        }
        let mut graph = Graph::default();
        let mut place: BTreeMap<Id, Id> = BTreeMap::new();
        let (mut args, mut frozen, mut taken) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (i, id) in inputs.iter().enumerate() {
            let node = &outer[*id];
            let name = named(node, i, &mut taken);
            place.insert(*id, graph.nodes.len());
            graph.nodes.push(Node {
                kind: Kind::Input(name.clone()),
                ty: node.ty.clone(),
                span: node.span,
                name: Some(name.to_string()),
            });
            args.push(argument(name, node.ty.clone(), node.span));
            frozen.push(match &node.kind {
                Kind::Param(field) | Kind::Weight { field, .. } => {
                    let mut fields = self.model.fields.iter();
                    fields.any(|f| f.name == *field && f.frozen)
                }
                _ => false,
            });
        }
        let mut numbers: Vec<(Ident, Expr)> = Vec::new();
        for m in members {
            let node = &outer[*m];
            let mut kind = match &node.kind {
                Kind::Op { op, args } => Kind::Op {
                    op,
                    args: args.clone(),
                },
                Kind::Item(of, i) => Kind::Item(*of, *i),
                _ => return None,
            };
            if let Kind::Op { args, .. } = &mut kind {
                for a in args {
                    if let Arg::Scalar(e) | Arg::Weak { expr: e, .. } = a {
                        *e = number(e, &mut numbers);
                    }
                }
            }
            let mut inner = Node {
                kind,
                ty: node.ty.clone(),
                span: node.span,
                name: node.name.clone(),
            };
            for i in inner.inputs_mut() {
                *i = *place.get(i)?;
            }
            place.insert(*m, graph.nodes.len());
            graph.nodes.push(inner);
        }
        for (name, _) in &numbers {
            graph.nodes.push(Node {
                kind: Kind::Input(name.clone()),
                ty: Ty::Number,
                span: name.span(),
                name: None,
            });
            args.push(argument(name.clone(), Ty::Number, name.span()));
        }
        let results: Vec<Id> = outputs.iter().map(|o| place[o]).collect();
        let ret = match outputs[..] {
            [one] => outer[one].ty.clone(),
            _ => Ty::Tuple(outputs.iter().map(|o| outer[*o].ty.clone()).collect()),
        };
        let span = outputs
            .last()
            .map_or_else(Span::call_site, |o| outer[*o].span);
        graph.result = match results[..] {
            [one] => Some(one),
            _ => {
                graph.nodes.push(Node {
                    kind: Kind::Tuple(results),
                    ty: ret.clone(),
                    span,
                    name: None,
                });
                Some(graph.nodes.len() - 1)
            }
        };
        let sizes = args.iter().filter_map(|a| match &a.ty {
            Ty::Tensor(shape, _) => Some(shape.iter().flat_map(Dim::names)),
            _ => None,
        });
        // Each size of a function's arguments is the call's, also those that never change.
        let varies = |n: &&str| n.ends_with('\'') || (is_free(n) && !self.model.function);
        let varying: BTreeSet<String> = sizes.flatten().filter(varies).map(String::from).collect();
        let method = Method {
            attrs: vec![],
            vis: Visibility::Inherited,
            name: self.name(members),
            args,
            ret,
            ret_span: span,
            body: syn::parse_quote!({}),
            broken: false,
        };
        Some(Region {
            name: String::new(),
            method,
            graph,
            inputs,
            frozen,
            varying: varying.into_iter().collect(),
            numbers,
            outputs,
            known: None,
        })
    }

    /// A name for a kernel: its last operations.
    fn name(&self, members: &BTreeSet<Id>) -> Ident {
        let mut words: Vec<&str> = Vec::new();
        for m in members.iter().filter(|m| self.works(**m)) {
            if let Kind::Op { op, .. } = &self.graph.nodes[*m].kind {
                if words.last() != Some(&op.name) {
                    words.push(op.name);
                }
            }
        }
        let last = words.len().saturating_sub(3);
        format_ident!("{}", words[last..].join("_"))
    }
}

/// A name for an argument: the variable's, if no other has it.
fn named(node: &Node, i: usize, taken: &mut BTreeSet<String>) -> Ident {
    let of = match &node.kind {
        Kind::Param(field) => Some(field.to_string()),
        Kind::Weight { field, bias } => Some(match bias {
            true => format!("{field}_bias"),
            false => format!("{field}_weight"),
        }),
        _ => node.name.clone(),
    };
    let own = of
        .filter(|n| !n.starts_with('_') && !n.starts_with("r#") && !taken.contains(n))
        .and_then(|n| syn::parse_str::<Ident>(&n).ok());
    let name = own.unwrap_or_else(|| format_ident!("x{}", i));
    let name = match taken.contains(&name.to_string()) {
        true => format_ident!("x{}_", i),
        false => name,
    };
    taken.insert(name.to_string());
    Ident::new(&name.to_string(), Span::mixed_site())
}

/// A number as an argument of the kernel, unless it is a literal.
fn number(e: &Expr, numbers: &mut Vec<(Ident, Expr)>) -> Expr {
    if literal(e).is_some() {
        return e.clone();
    }
    let text = e.to_token_stream().to_string();
    let same = |(_, o): &&(Ident, Expr)| o.to_token_stream().to_string() == text;
    let name = match numbers.iter().find(same) {
        Some((name, _)) => name.clone(),
        None => {
            let name = format_ident!("__n{}", numbers.len(), span = Span::mixed_site());
            numbers.push((name.clone(), e.clone()));
            name
        }
    };
    syn::parse_quote!(#name)
}

fn argument(name: Ident, ty: Ty, span: Span) -> Argument {
    Argument {
        name,
        ty,
        span,
        mutable: false,
        states: vec![],
    }
}
