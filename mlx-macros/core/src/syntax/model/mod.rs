//! Reads the struct of a model: its sizes, conditions, passes and fields.
//!
//! Tests: `tests/planted.rs`, `tests/right.rs`.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, ItemStruct, Lit, LitStr, Meta, Path, Token, Type};

use crate::diag::lints::LINTS;
use crate::diag::{suggest, Code, Diag, Result};
use crate::syntax::args::{positive, Args};
use crate::syntax::condition;
use crate::syntax::digest::Digest;
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::function_source;
use crate::syntax::kind::FieldKind;
use crate::syntax::layers::Setting;
use crate::syntax::logic::Facts;
use crate::syntax::names::Names;
use crate::syntax::quantize::Quantize;
use crate::syntax::signature::take_mark;
use crate::syntax::switches::Switches;
use crate::syntax::weights::Weights;

mod absent;
mod field;
mod header;
mod names;

pub(crate) use absent::absent;
use field::{field, last_segment};
use header::header;
pub(crate) use header::{lints, requires};
pub(crate) use names::{bounds, generics};
use names::{is_layer, misspelt, unknown_type, words};

/// A model as its struct defines it.
pub struct ModelDef {
    /// The struct, without the attributes that only the macros read.
    pub item: ItemStruct,
    /// The config's type.
    pub config: Path,
    /// Named sizes (`dims(q = heads * head_dim)`), expanded to config fields.
    pub names: Names,
    /// Conditions on the config, checked at load.
    pub requires: Vec<Expr>,
    /// The fields, in order.
    pub fields: Vec<Field>,
    /// The passes that rewrite its graphs.
    pub fuse: Switches,
    /// The checkpoint that it is compared with while the crate compiles.
    pub digest: Option<Digest>,
    /// True if this stands for a function, which has neither fields nor a config.
    pub function: bool,
    /// True if its config is not known.
    pub config_unknown: bool,
    /// The lints that it allows.
    pub allowed: Vec<String>,
    /// The fields of the config, if it is in the same crate.
    pub source: Vec<(String, Type)>,
    /// True if its tokens do not parse, or its arguments have a mistake: nothing is said of its methods.
    pub broken: bool,
}

impl ModelDef {
    /// Conditions that hold wherever a field exists.
    pub fn facts_of(&self, field: &Field) -> Facts {
        let when = field.when.iter();
        when.fold(self.names.facts.clone(), |all, w| all.and(w, true))
    }
}

/// One field of a model.
pub struct Field {
    /// Its name.
    pub name: Ident,
    /// Its type as written.
    pub ty: Type,
    /// The names of its tensors in a checkpoint, where they are not the field's.
    pub weights: Option<Weights>,
    /// The quantisation at load, where that is not left to the load's options.
    pub quantize: Option<Quantize>,
    /// Its kind.
    pub kind: FieldKind,
    /// True if LoRA may adapt it.
    pub lora: bool,
    /// True if it is never trained.
    pub frozen: bool,
    /// Another field whose weight it shares, always or if a flag of the config is set.
    pub tied: Option<Tied>,
    /// The condition under which it exists at all; its type is then `Option<..>`.
    pub when: Option<Expr>,
    /// The config of a sub-model, where that is not this model's.
    pub config: Option<Inner>,
    /// True if it stands in a `Box`.
    pub boxed: bool,
    /// Its attributes have a mistake: nothing is said of how it is used.
    pub broken: bool,
}

/// `#[config(vision)]`, or `#[config(width = 2 * width)]`.
#[allow(clippy::large_enum_variant)] // a model has a few of them
pub enum Inner {
    /// A config inside of this model's.
    Field(Box<Expr>),
    /// This model's config with other values.
    With(Vec<(Ident, Value)>),
}

/// The value of a field of a sub-model's config.
#[allow(clippy::large_enum_variant)] // a model has a few of them
pub enum Value {
    /// A size.
    Size(Dim),
    /// A literal.
    Literal(Box<Expr>),
}

impl Inner {
    /// The names of the sub-model's sizes in this model: what stands before each, and those that have another value.
    pub fn renamed(&self) -> (String, Vec<(String, Dim)>) {
        match self {
            Inner::Field(e) => (format!("{}.", condition::text(e)), vec![]),
            Inner::With(all) => {
                let sizes = all.iter().filter_map(|(name, v)| match v {
                    Value::Size(d) => Some((name.unraw().to_string(), d.clone())),
                    Value::Literal(_) => None,
                });
                (String::new(), sizes.collect())
            }
        }
    }
}

/// `#[tied(field, when = flag)]`.
pub struct Tied {
    /// The field that owns the weight.
    pub source: Ident,
    /// The config's flag, if it depends on one.
    pub when: Option<Expr>,
}

/// The attributes on fields and structs that only the macros read.
const HELPERS: &[&str] = &[
    "param", "rope", "layers", "lora", "frozen", "tied", "weights", "quantize", "require", "when",
    "config",
];

/// Reads `#[mlx_model(config = .., dims(..))] struct ..`; mistakes are gathered.
///
/// The model is there whatever is wrong. `passes` are the names that `fuse(..)` may
/// switch.
pub fn read(attr: TokenStream, mut item: ItemStruct, passes: &[&str]) -> (ModelDef, Vec<Diag>) {
    let mut errors = crate::syntax::arrays::expand(&mut item);
    let syntax = take_mark(&mut item.attrs);
    errors.extend(misspelt(&mut item.attrs));
    // Quotients in sizes lean on what is required.
    let requires = collect(&mut errors, requires(&item.attrs)).unwrap_or_default();
    let (requires, facts) = consistent(requires, Facts::default(), &mut errors);
    let names = Names {
        facts,
        ..Names::default()
    };
    names.of_struct.set(true);
    let header = header(attr, names, passes, item.ident.span(), &mut errors);
    let header = collect(&mut errors, header);
    let named = matches!(item.fields, syn::Fields::Named(_));
    if !named {
        errors.push(Diag::fields_without_names(item.ident.span()));
    }
    let config = header.as_ref().map(|(config, ..)| config);
    errors.extend(generics(&mut item, config));
    // Later mistakes lean on those found here.
    let frame = errors.len();
    let mut unclear = frame > 0 || syntax;
    let digest = header.as_ref().and_then(|(.., digest, _)| digest.clone());
    let digest = digest.and_then(|file| match item.generics.params.is_empty() {
        true => collect(&mut errors, Digest::read(&file)),
        false => {
            errors.push(Diag::digest_of_generics(file.span()));
            None
        }
    });
    let mut fields = Vec::new();
    let unknown = Names::default();
    let names = header.as_ref().map_or(&unknown, |(_, names, ..)| names);
    for f in item.fields.iter_mut().filter(|_| named) {
        match field(f, names).and_then(|f| not_itself(f, &item.ident)) {
            Ok(f) => fields.push(f),
            Err(e) => {
                // A type that is not imported is one mistake, however many fields have it.
                let again = |o: &Diag| o.message == e.message && e.code == Code::Attribute;
                // Another struct of the file has said it.
                let said = e.message.starts_with("unknown type")
                    && function_source::is_field_before(&last_segment(&f.ty), e.span);
                unclear |= said;
                if !said && !errors.iter().any(again) {
                    errors.push(e);
                }
                fields.extend(f.ident.clone().map(|name| broken(name, &f.ty)));
            }
        }
    }
    names.of_struct.set(false);
    item.attrs.retain(|a| !is_helper(a));
    if unclear {
        // Sizes that nothing defines are no second mistake.
        let mut at = 0;
        errors.retain(|e| {
            at += 1;
            at <= frame || !matches!(e.code, Code::DimExpr | Code::Quotient)
        });
    }
    let free = free_dims(names, &requires, &fields);
    for f in fields.iter().filter(|_| free.is_empty() && !unclear) {
        if let Err(e) = check_tied(f, &fields, names) {
            errors.push(e);
        }
    }
    // A condition is Rust on the config, which knows nothing of the names in `dims(..)`.
    let of_config = |condition: &Expr| {
        let mut used = condition::fields(condition).into_iter();
        let short = used.find(|n| names.short.contains_key(&n.to_string()));
        short.map_or(Ok(()), |n| {
            let size = &names.short[&n.to_string()];
            Err(Diag::condition_of_short_name(n.span(), &n, size))
        })
    };
    let (mut requires, before) = (requires, errors.len());
    requires.retain(|r| collect(&mut errors, of_config(r)).is_some());
    unclear |= errors.len() > before || !free.is_empty();
    for f in &mut fields {
        let when = f.when.take();
        f.when = when.filter(|w| collect(&mut errors, of_config(w)).is_some());
    }
    let config = header.as_ref().map(|(config, ..)| config);
    let at = item.ident.span();
    let source = config.map_or(vec![], |c| crate::syntax::config_source::fields(c, at));
    errors.extend(hidden_fields(names, &fields, &source));
    errors.extend(free);
    // Sizes of weights are 1 or more, or the model does not load.
    let unsigned = unsigned(&source);
    let sizes = fields.iter().flat_map(Field::sizes);
    let sizes = sizes
        .filter_map(|d| d.as_name().map(String::from))
        .collect();
    let integers = integers(names, &source);
    let found = errors.len();
    let sizes = unsigned
        .iter()
        .fold(Facts::new(sizes, integers), |f, n| f.counted(n));
    let right = errors.is_empty();
    let (requires, facts) = consistent(requires, sizes, &mut errors);
    for when in fields.iter().filter_map(|f| f.when.as_ref()) {
        errors.extend(decided(when, &facts));
    }
    errors.extend(names_shared(&fields, &facts));
    if !right {
        // They may follow from the mistakes before.
        errors.truncate(found);
    }
    let stand_in = |p: &Path| p.segments.last().is_some_and(|s| s.ident == "Infallible");
    let config_unknown = header.as_ref().is_none_or(|(config, ..)| stand_in(config));
    let (config, names, fuse, _, allowed) = header.unwrap_or_else(|| {
        let none = syn::parse_quote!(::core::convert::Infallible);
        (none, Names::default(), Switches::All, None, vec![])
    });
    let model = ModelDef {
        item,
        config,
        names: Names { facts, ..names },
        requires,
        fields,
        fuse,
        digest,
        function: false,
        config_unknown,
        broken: unclear,
        allowed,
        source,
    };
    if syntax {
        errors.clear();
    }
    (model, errors)
}

/// The conditions that can hold together, and what they say; each other one is a mistake.
fn consistent(all: Vec<Expr>, sizes: Facts, errors: &mut Vec<Diag>) -> (Vec<Expr>, Facts) {
    let (mut facts, mut kept) = (sizes, Vec::<Expr>::new());
    for e in all {
        let (at, text) = (e.span(), condition::text(&e));
        if kept.iter().any(|k| condition::text(k) == text) {
            errors.push(Diag::require_twice(at, text));
            continue;
        }
        if Facts::default().decide(&e) == Some(true) {
            errors.push(Diag::condition_always(at, text));
            continue;
        }
        let with = facts.and(&e, true);
        match with.contradict() {
            true => errors.push(Diag::requires_contradict(at, text)),
            false => {
                facts = with;
                kept.push(e);
            }
        }
    }
    // A quotient may be read before the requirement that makes it whole.
    kept.iter().for_each(|e| facts.learn(e, true));
    (kept, facts)
}

/// A condition that the facts decide chooses nothing.
pub(crate) fn decided(condition: &Expr, facts: &Facts) -> Option<Diag> {
    let (at, text) = (condition.span(), condition::text(condition));
    facts.decide(condition).map(|holds| match holds {
        true => Diag::condition_always(at, text),
        false => Diag::condition_never(at, text),
    })
}

/// Names that are whole numbers: sizes, and the integers of a config in the same crate.
fn integers(names: &Names, source: &[(String, Type)]) -> BTreeSet<String> {
    const INTEGERS: [&str; 10] = [
        "usize", "isize", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64",
    ];
    let whole =
        |ty: &Type| matches!(ty, Type::Path(p) if INTEGERS.iter().any(|i| p.path.is_ident(i)));
    let fields = source.iter().filter(|(_, ty)| whole(ty));
    let sizes = names.places.borrow();
    sizes
        .keys()
        .cloned()
        .chain(fields.map(|(name, _)| name.clone()))
        .collect()
}

/// The unsigned integers of a config in the same crate.
fn unsigned(source: &[(String, Type)]) -> Vec<String> {
    let unsigned = |ty: &Type| matches!(ty, Type::Path(p) if ["usize", "u8", "u16", "u32", "u64"].iter().any(|i| p.path.is_ident(i)));
    let fields = source.iter().filter(|(_, ty)| unsigned(ty));
    fields.map(|(name, _)| name.clone()).collect()
}

/// Fields of the config that have the name of a size: those that the struct reads, and all of a
/// config that stands in the same file.
fn hidden_fields(names: &Names, fields: &[Field], source: &[(String, Type)]) -> Vec<Diag> {
    if names.defined.is_empty() {
        return vec![];
    }
    let mut read: Vec<String> = names.places.borrow().keys().cloned().collect();
    read.extend(source.iter().map(|(name, _)| name.clone()));
    for e in fields.iter().flat_map(Field::numbers) {
        read.extend(condition::fields(e).iter().map(|n| n.unraw().to_string()));
    }
    hidden(names, &read)
}

/// A mistake for each of these fields of the config that a size has the name of.
pub(crate) fn hidden(names: &Names, read: &[String]) -> Vec<Diag> {
    let defined = names.defined.iter().filter(|(name, _)| read.contains(name));
    defined
        .map(|(name, at)| Diag::dim_hides_field(*at, name))
        .collect()
}

/// Names of the struct that a call would bind.
fn free_dims(names: &Names, requires: &[Expr], fields: &[Field]) -> Vec<Diag> {
    let places = names.places.borrow();
    let sizes = places.iter().map(|(n, at)| (n.clone(), *at));
    let conditions = requires
        .iter()
        .chain(fields.iter().filter_map(|f| f.when.as_ref()));
    let read = conditions.flat_map(condition::fields);
    let read = read.map(|n| (n.unraw().to_string(), n.span()));
    let free = sizes.chain(read).filter(|(n, _)| is_free(n));
    free.map(|(n, at)| Diag::free_dim_of_struct(at, n))
        .collect()
}

/// Layers that can exist together and have one name in the checkpoint: the tensors of one would
/// take the place of the other's.
fn names_shared(fields: &[Field], facts: &Facts) -> Vec<Diag> {
    let held: Vec<&Field> = fields.iter().filter(|f| f.holds_weights()).collect();
    let mut found = Vec::new();
    for (i, f) in held.iter().enumerate() {
        let name = f.weight_name();
        let both = |o: &&&Field| {
            let when = [f, *o].into_iter().filter_map(|f| f.when.as_ref());
            let together = when.fold(facts.clone(), |all, w| all.and(w, true));
            o.weight_name() == name && !together.contradict()
        };
        if let Some(other) = held[..i].iter().find(both) {
            found.push(Diag::name_shared(f.name.span(), &f.name, name, &other.name));
        }
    }
    found
}

/// A model cannot contain itself, because it would be infinitely large.
fn not_itself(field: Field, model: &Ident) -> Result<Field> {
    let ty = match &field.kind {
        FieldKind::Model => &field.ty,
        FieldKind::Layers { model, .. } => model,
        _ => return Ok(field),
    };
    match ty {
        Type::Path(p) if p.path.segments.len() == 1 => {
            let name = &p.path.segments[0].ident;
            match name == model || name == "Self" {
                true => Err(Diag::holds_itself(name.span(), model)),
                false => Ok(field),
            }
        }
        _ => Ok(field),
    }
}

impl Field {
    /// Its name in `parameters()` and adapters.
    pub fn weight_name(&self) -> String {
        let plain = self.weights.as_ref().and_then(Weights::plain);
        plain.map_or_else(|| self.name.to_string(), str::to_string)
    }

    /// True if it has tensors of its own, apart from those of sub-models.
    fn holds_weights(&self) -> bool {
        !self.broken && self.kind.holds_weights()
    }

    /// The sizes of its weights, and how many layers it has.
    fn sizes(&self) -> Vec<&Dim> {
        match &self.kind {
            // An absent layer has no sizes.
            _ if self.when.is_some() => vec![],
            FieldKind::Linear { out, input, .. } => vec![out, input],
            FieldKind::Embedding { rows, dim } => vec![rows, dim],
            FieldKind::Layer(held) => held.dims.iter().collect(),
            FieldKind::Rope { dims, rotated, .. } => vec![dims, rotated],
            FieldKind::Param { shape, .. } => shape.iter().collect(),
            FieldKind::Layers { count, .. } => vec![count],
            FieldKind::Model => vec![],
        }
    }

    /// Those of its numbers that are flags.
    fn flags(&self) -> Vec<&Expr> {
        let mut all: Vec<&Expr> = self.tied.iter().filter_map(|t| t.when.as_ref()).collect();
        match &self.kind {
            FieldKind::Linear { bias, .. } => all.extend(bias),
            FieldKind::Layer(held) => all.extend(held.options.iter().filter_map(|o| match o {
                Setting::Flag(e) => Some(e),
                _ => None,
            })),
            FieldKind::Rope { traditional, .. } => all.push(traditional),
            _ => {}
        }
        all
    }

    /// The numbers and flags of the config that its attributes name.
    pub fn numbers(&self) -> Vec<&Expr> {
        let mut all: Vec<&Expr> = Vec::new();
        match &self.kind {
            FieldKind::Linear { bias, .. } => all.extend(bias),
            FieldKind::Layer(held) => all.extend(held.numbers()),
            FieldKind::Rope {
                base,
                traditional,
                scaling,
                ..
            } => all.extend([base, traditional].into_iter().chain(scaling)),
            _ => {}
        }
        all.extend(self.tied.iter().filter_map(|t| t.when.as_ref()));
        all.extend(self.quantize.iter().flat_map(Quantize::numbers));
        all
    }
}

fn broken(name: Ident, ty: &Type) -> Field {
    Field {
        name,
        ty: ty.clone(),
        weights: None,
        quantize: None,
        kind: FieldKind::Model,
        lora: false,
        frozen: false,
        tied: None,
        when: None,
        config: None,
        boxed: false,
        broken: true,
    }
}

/// A tied layer borrows a weight of its own shape from a layer that has one.
fn check_tied(f: &Field, fields: &[Field], names: &Names) -> Result<()> {
    let Some(t) = &f.tied else { return Ok(()) };
    let shape = |kind: &FieldKind| match kind {
        FieldKind::Linear { out, input, .. } => Some(vec![out.clone(), input.clone()]),
        FieldKind::Embedding { rows, dim } => Some(vec![rows.clone(), dim.clone()]),
        _ => None,
    };
    let owner = fields
        .iter()
        .find(|o| o.name == t.source && o.name != f.name && o.tied.is_none());
    if fields.iter().any(|o| o.name == t.source && o.broken) {
        return Ok(());
    }
    let Some(source) = owner.and_then(|o| shape(&o.kind)) else {
        let known: Vec<String> = fields
            .iter()
            .filter(|o| shape(&o.kind).is_some() && o.name != f.name && o.tied.is_none())
            .map(|o| o.name.to_string())
            .collect();
        let near = suggest(&t.source.to_string(), known.iter().map(String::as_str));
        return Err(Diag::tied_to_nothing(t.source.span(), &t.source, near));
    };
    match shape(&f.kind) {
        Some(own) if own != source => {
            let (at, own, other) = (t.source.span(), names.shape(&own), names.shape(&source));
            Err(Diag::tied_shape(at, &f.name, own, &t.source, other))
        }
        _ => Ok(()),
    }
}

/// The struct without the attributes that only the macros read, for when the model is wrong.
pub fn stripped(mut item: ItemStruct, model: &ModelDef) -> ItemStruct {
    item.generics = model.item.generics.clone();
    // The type of a field with a mistake may have more.
    for f in item.fields.iter_mut() {
        let broken = model
            .fields
            .iter()
            .any(|o| o.broken && Some(&o.name) == f.ident.as_ref());
        let text = f.ty.to_token_stream().to_string();
        let mut params = model.item.generics.type_params();
        let layer = matches!(&f.ty, Type::Path(p) if p.path.segments.last().is_some_and(|s| is_layer(&s.ident.to_string())));
        if broken && (layer || !params.any(|p| words(&text).any(|w| p.ident == w))) {
            f.ty = syn::parse_quote!(());
        }
    }
    take_mark(&mut item.attrs);
    misspelt(&mut item.attrs);
    item.attrs.retain(|a| !is_helper(a));
    for f in item.fields.iter_mut() {
        f.attrs.retain(|a| !is_helper(a));
        misspelt(&mut f.attrs);
    }
    item
}

fn collect<T>(errors: &mut Vec<Diag>, r: Result<T>) -> Option<T> {
    r.map_err(|e| errors.push(e)).ok()
}

fn is_helper(a: &Attribute) -> bool {
    HELPERS.iter().any(|h| a.path().is_ident(h))
}
