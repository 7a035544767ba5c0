//! Fields that a model reads of its config and that are not there, or are of another type.
//!
//! Tests: `tests/one_message`; `mlx-tests --test ui`.

use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, Type};

use super::ModelDef;
use crate::diag::{suggest, Diag};
use crate::syntax::condition;
use crate::syntax::dims::is_free;
use crate::syntax::kind::FieldKind;
use crate::syntax::signature::Dt;

/// A field of the config that a model reads and the config does not have, or has with a type that it cannot be read as.
pub(crate) struct Absent {
    /// The mistake.
    pub error: Diag,
    /// True if another model before this one has it too, and reports it.
    pub reported: bool,
}

/// The fields of the config that are not as the model reads them, if the config is in the same crate. `bodies` are those
/// that the methods read.
pub(crate) fn absent(model: &ModelDef, bodies: &[Ident]) -> Vec<Absent> {
    let at = model.item.ident.span();
    let source = &model.source;
    if source.is_empty() || model.function {
        return vec![];
    }
    let names = &model.names;
    let mut read: Vec<(String, Span, Want)> = Vec::new();
    let places = names.places.borrow();
    let sizes = places
        .iter()
        .filter(|(n, _)| !is_free(n) && !n.contains('.') && !is_dtype(n));
    read.extend(sizes.map(|(n, at)| (n.clone(), *at, Want::Size)));
    let conditions = model
        .requires
        .iter()
        .chain(model.fields.iter().filter_map(|f| f.when.as_ref()));
    let conditions: Vec<&Expr> = conditions.collect();
    let guards = conditions.iter().map(|e| e.to_token_stream().to_string());
    let guards: Vec<String> = guards.collect();
    let conditions = conditions.into_iter();
    let asked: Vec<Ident> = conditions
        .flat_map(condition::fields)
        .chain(bodies.iter().cloned())
        .collect();
    for f in &model.fields {
        let flags = f.flags();
        for e in f.numbers() {
            let want = match e {
                _ if matches!(&f.kind, FieldKind::Rope { scaling: Some(s), .. } if std::ptr::eq(s, e)) => {
                    Want::Any
                }
                Expr::Path(_) if flags.iter().any(|x| std::ptr::eq(*x, e)) => Want::Flag,
                Expr::Path(_) => Want::Number,
                _ => Want::Any,
            };
            let of_field = condition::fields(e).into_iter();
            read.extend(of_field.map(|n| (n.unraw().to_string(), n.span(), want)));
        }
    }
    read.extend(
        asked
            .iter()
            .map(|n| (n.unraw().to_string(), n.span(), Want::Any)),
    );
    read.retain(|(n, ..)| !names.short.contains_key(n) && !n.is_empty());
    read.sort_by_key(|(n, at, _)| (n.clone(), at.start().line, at.start().column));
    let known = || source.iter().map(|(n, _)| n.as_str());
    let config = model
        .config
        .segments
        .last()
        .map(|s| s.ident.to_string())
        .unwrap_or_default();
    let mut found: Vec<(String, Absent)> = Vec::new();
    for (name, span, want) in read {
        let guarded = guards.iter().any(|g| {
            g.contains(&format!("{name} . is_some")) || g.contains(&format!("{name} . is_none"))
        }) || bodies.iter().any(|n| n.unraw() == name.as_str());
        let error = match source.iter().find(|(n, _)| *n == name) {
            None => Diag::config_without_field(span, &config, &name, suggest(&name, known())),
            Some((_, ty)) => match want.refuses(ty, guarded) {
                Some(what) => Diag::config_type(span, what, &name, ty.to_token_stream()),
                None => continue,
            },
        };
        if !found.iter().any(|(n, _)| *n == name) {
            let reported = crate::syntax::config_source::read_before(&model.config, &name, at);
            found.push((name, Absent { error, reported }));
        }
    }
    found.into_iter().map(|(_, a)| a).collect()
}

/// True for the name of a dtype, which stands among the sizes by mistake.
fn is_dtype(name: &str) -> bool {
    Dt::parse(&Ident::new(name, Span::call_site())).is_ok()
}

/// The kind of value that a field of the config is read as.
#[derive(Clone, Copy)]
enum Want {
    Size,
    Number,
    Flag,
    Any,
}

impl Want {
    /// The words for what is wanted, if a type is known to be something else. A field that a condition asks for may be absent.
    fn refuses(self, ty: &Type, guarded: bool) -> Option<&'static str> {
        let Type::Path(p) = ty else { return None };
        let name = p.path.segments.last()?.ident.to_string();
        let absent = name == "Option" && !guarded;
        let integer = [
            "usize", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "isize",
        ]
        .contains(&name.as_str());
        let float = ["f32", "f64"].contains(&name.as_str());
        match self {
            Want::Size if absent || float || ["bool", "String"].contains(&name.as_str()) => {
                Some("a size of the config is an integer")
            }
            Want::Number if absent || ["bool", "String"].contains(&name.as_str()) => {
                Some("a number of the config is an integer or a float")
            }
            Want::Flag if integer || float || name == "String" => {
                Some("a flag of the config is a `bool`")
            }
            _ => None,
        }
    }
}
