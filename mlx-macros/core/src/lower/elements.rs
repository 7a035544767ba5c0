//! Writes the requirement that each list of the config is as long as the model reads it, checked at load.
//!
//! Tests: `mlx-tests --test language`.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit::{self, Visit};
use syn::{Expr, ExprForLoop, ExprIndex, Pat};

use super::config::element;
use super::{config_expr, config_size, dim};
use crate::syntax::condition::{self, Names};
use crate::syntax::dims::Dim;
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::Method;

/// One requirement for each element that attributes and bodies read.
pub(super) fn requirements(model: &ModelDef, methods: &[Method]) -> TokenStream {
    let mut found = Elements {
        model,
        names: Names::Bare,
        loops: vec![],
        all: BTreeMap::new(),
    };
    let when = model.fields.iter().filter_map(|f| f.when.as_ref());
    let numbers = model.fields.iter().flat_map(|f| f.numbers());
    for e in model.requires.iter().chain(when).chain(numbers) {
        found.visit_expr(e);
    }
    found.names = Names::Config;
    methods.iter().for_each(|m| found.visit_block(&m.body));
    let what = model.item.ident.to_string();
    let layer = quote! { __loader.layer() };
    let each = found.all.into_iter().map(|(text, (e, last))| {
        let mut list = (*e.expr).clone();
        while condition::has_element(&list) {
            list = match list {
                Expr::Index(i) => *i.expr,
                Expr::Field(f) => *f.base,
                Expr::Paren(p) => *p.expr,
                other => other,
            };
        }
        let place = match last {
            None => element(&Expr::Index(e), &layer),
            Some(count) => {
                let facts = &model.names.facts;
                let count = dim(&count, |n| config_size(&model.names, n, facts));
                let last =
                    quote! { usize::try_from((#count).saturating_sub(1)).unwrap_or_default() };
                element(&Expr::Index(e), &last)
            }
        };
        let list = config_expr(&list);
        let name = text.split('[').next().unwrap_or_default();
        quote! { __loader.require(#what, #text, #place.is_some(), &[(#name, __rt::show(&#list))]); }
    });
    quote! { #(#each)* }
}

struct Elements<'a> {
    model: &'a ModelDef,
    names: Names,
    /// The variables that count layers, and how many there are.
    loops: Vec<(String, Dim)>,
    /// The elements by their text; for those of a loop the number of layers.
    all: BTreeMap<String, (ExprIndex, Option<Dim>)>,
}

impl Visit<'_> for Elements<'_> {
    fn visit_expr_for_loop(&mut self, f: &ExprForLoop) {
        let known = self.loops.len();
        if let Pat::Tuple(t) = &*f.pat {
            let counted = Fields::of(&f.expr);
            let field = self
                .model
                .fields
                .iter()
                .find(|m| counted.iter().any(|n| m.name == n));
            if let (Some(Pat::Ident(i)), Some(FieldKind::Layers { count, .. })) =
                (t.elems.first(), field.map(|m| &m.kind))
            {
                self.loops.push((i.ident.to_string(), count.clone()));
            }
        }
        visit::visit_expr_for_loop(self, f);
        self.loops.truncate(known);
    }

    fn visit_expr_index(&mut self, e: &ExprIndex) {
        visit::visit_expr_index(self, e);
        let name = condition::text(&e.index);
        let count = self.loops.iter().rev().find(|(i, _)| *i == name);
        let count = count.map(|(_, count)| count.clone());
        let mut e = e.clone();
        if count.is_some() {
            // The last layer's element stands for all.
            *e.index = syn::parse_quote!(layer);
        }
        let whole = Expr::Index(e.clone());
        if condition::is_place(&whole, self.names) {
            let text = match &count {
                Some(n) => format!("{}[{name}] for {name} < {n}", condition::text(&e.expr)),
                None => condition::text(&whole),
            };
            self.all.insert(text, (e, count));
        }
    }
}

/// The fields of `self` in an expression.
struct Fields(Vec<String>);

impl Fields {
    fn of(e: &Expr) -> Vec<String> {
        let mut found = Fields(vec![]);
        found.visit_expr(e);
        found.0
    }
}

impl Visit<'_> for Fields {
    fn visit_expr_field(&mut self, f: &syn::ExprField) {
        if let syn::Member::Named(n) = &f.member {
            self.0.push(n.to_string());
        }
        visit::visit_expr_field(self, f);
    }
}
