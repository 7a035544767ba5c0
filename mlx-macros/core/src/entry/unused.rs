//! Names of a model that are written twice, and those that nothing reads.
//!
//! Tests: `tests/planted`; `mlx-tests --test ui`.

use syn::visit::Visit;
use syn::ItemImpl;

use crate::diag::Diag;
use crate::ir::Graph;
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::Method;

/// Methods that have the name of a field or of another method: a call could mean either.
pub(super) fn names_twice(model: &ModelDef, methods: &[Method]) -> Vec<Diag> {
    let mut found = Vec::new();
    for (i, m) in methods.iter().enumerate() {
        let other = match &m.name {
            name if model.fields.iter().any(|f| f.name == *name) => "a field",
            name if methods[..i].iter().any(|o| o.name == *name) => "another method",
            _ => continue,
        };
        found.push(Diag::name_twice(m.name.span(), &m.name, other));
    }
    found
}

/// Parameters that no method reads.
pub(super) fn unused(model: &ModelDef, graphs: &[Graph]) -> Vec<Diag> {
    let used = |name: &syn::Ident| {
        let tied = model
            .fields
            .iter()
            .filter_map(|f| f.tied.as_ref())
            .any(|t| t.source == *name);
        tied || graphs
            .iter()
            .flat_map(Graph::all_nodes)
            .any(|n| n.field() == Some(name))
    };
    let unused = model.fields.iter().filter(|f| !used(&f.name));
    unused
        .map(|f| {
            let what = match f.kind {
                FieldKind::Model | FieldKind::Layers { .. } => "sub-model",
                FieldKind::Rope { .. } => "layer",
                _ => "parameter",
            };
            Diag::unused_field(f.name.span(), what, &f.name)
        })
        .collect()
}

/// Names in `dims(..)` that no size of the model uses.
pub(super) fn unused_sizes(model: &ModelDef) -> Vec<Diag> {
    let used = model.names.used.borrow();
    let unused = model
        .names
        .defined
        .iter()
        .filter(|(n, _)| !used.contains(*n));
    unused
        .map(|(name, at)| Diag::size_never_used(*at, name))
        .collect()
}

/// The fields of the config that bodies read.
pub(super) fn config_fields(methods: &ItemImpl) -> Vec<syn::Ident> {
    struct Fields(Vec<syn::Ident>);
    impl Visit<'_> for Fields {
        fn visit_expr_field(&mut self, f: &syn::ExprField) {
            match (&*f.base, &f.member) {
                (syn::Expr::Path(p), syn::Member::Named(name)) if p.path.is_ident("config") => {
                    self.0.push(name.clone());
                }
                _ => syn::visit::visit_expr_field(self, f),
            }
        }
    }
    let mut fields = Fields(Vec::new());
    fields.visit_item_impl(methods);
    fields.0
}
