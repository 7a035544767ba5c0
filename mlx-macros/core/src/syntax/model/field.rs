//! Reads one field of a model from its type and attributes.
//!
//! Tests: `tests/planted.rs`.

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, Lit, Type};

use super::{is_helper, misspelt, Field, Inner, Tied, Value};
use crate::diag::{suggest, Diag, Result};
use crate::syntax::args::{dim_expr, Args};
use crate::syntax::condition::{self, is_place};
use crate::syntax::dims::Dim;
use crate::syntax::function_source;
use crate::syntax::kind::{FieldKind, Policy};
use crate::syntax::layers;
use crate::syntax::literals::literal;
use crate::syntax::names::Names;
use crate::syntax::quantize::Quantize;
use crate::syntax::signature::Dt;
use crate::syntax::weights::Weights;

pub(super) fn last_segment(ty: &Type) -> String {
    match ty {
        Type::Path(p) => p
            .path
            .segments
            .last()
            .map(|s| s.ident.to_string())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// `T` of `Vec<T>` or `Option<T>`.
fn element(ty: &Type, of: &str) -> Option<Type> {
    let Type::Path(p) = ty else { return None };
    let last = p.path.segments.last().filter(|s| s.ident == of)?;
    match &last.arguments {
        syn::PathArguments::AngleBracketed(a) => match a.args.first()? {
            syn::GenericArgument::Type(t) => Some(t.clone()),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn field(f: &mut syn::Field, names: &Names) -> Result<Field> {
    let name = f
        .ident
        .clone()
        .ok_or_else(|| Diag::fields_without_names(f.span()))?;
    let attrs: Vec<Attribute> = f.attrs.iter().filter(|a| is_helper(a)).cloned().collect();
    f.attrs.retain(|a| !is_helper(a));
    if let Some(e) = misspelt(&mut f.attrs) {
        return Err(e);
    }
    for (i, a) in attrs.iter().enumerate() {
        if attrs[..i].iter().any(|b| b.path() == a.path()) {
            let helper = a.path().to_token_stream();
            return Err(Diag::attribute_twice(a.span(), helper, name));
        }
    }
    for flag in ["lora", "frozen"] {
        if let Some(a) = attrs.iter().find(|a| a.path().is_ident(flag)) {
            if a.meta.require_path_only().is_err() {
                return Err(Diag::flag_arguments(a.span(), flag));
            }
        }
    }
    let find = |n: &str| attrs.iter().find(|a| a.path().is_ident(n));
    let optional = element(&f.ty, "Option");
    let when = condition_of(&name, find("when"), optional.is_some())?;
    let ty = optional.unwrap_or_else(|| f.ty.clone());
    let inside = element(&ty, "Box");
    let boxed = inside.is_some();
    let ty = inside.unwrap_or(ty);
    let kind = kind(&ty, &name, find, names)?;
    let holds_weights = kind.holds_weights();
    if let (Some(a), false) = (find("frozen"), holds_weights) {
        return Err(Diag::frozen_kind(a.span(), name, last_segment(&ty)));
    }
    for (helper, fits) in [
        ("layers", matches!(kind, FieldKind::Layers { .. })),
        ("rope", matches!(kind, FieldKind::Rope { .. })),
        ("require", false),
    ] {
        if let (Some(a), false) = (find(helper), fits) {
            return Err(Diag::helper_kind(a.span(), helper, name, last_segment(&ty)));
        }
    }
    let linear = matches!(kind, FieldKind::Linear { .. });
    for (helper, fits, kinds) in [
        ("lora", kind.projects(), "`Linear` or `SwitchLinear`"),
        ("tied", linear, "`Linear`"),
    ] {
        if let (Some(a), false) = (find(helper), fits) {
            let kind = last_segment(&ty);
            return Err(Diag::linear_only(a.span(), helper, kinds, name, kind));
        }
    }
    let what = last_segment(&ty);
    let weights = find("weights")
        .map(|a| Weights::of(a, &name, &what, &kind))
        .transpose()?;
    let tied = match find("tied").map(Args::of).transpose()? {
        None => None,
        Some(mut a) => match a.positional.first() {
            Some(Expr::Path(p)) if p.path.get_ident().is_some() => {
                let tied = Tied {
                    source: p.path.require_ident()?.clone(),
                    when: a.take_flag("when")?,
                };
                a.finish(&["when"])?;
                Some(tied)
            }
            _ => return Err(Diag::tied_form(a.span)),
        },
    };
    let always_tied = tied.as_ref().is_some_and(|t| t.when.is_none());
    let quantize = find("quantize")
        .map(|a| Quantize::of(a, &name, &what, &kind, always_tied))
        .transpose()?;
    let group = quantize.as_ref().and_then(Quantize::group);
    if let (Some(a), Some(group)) = (find("quantize"), group) {
        whole_groups(a, &name, &kind, group, names)?;
    }
    let (lora, frozen) = (find("lora").is_some(), find("frozen").is_some());
    if let (Some(a), true) = (find("lora"), frozen) {
        return Err(Diag::lora_of_frozen(a.span(), name));
    }
    let config = find("config").map(|a| inner(a, names)).transpose()?;
    if let (Some(a), false) = (
        find("config"),
        matches!(kind, FieldKind::Model | FieldKind::Layers { .. }),
    ) {
        return Err(Diag::helper_kind(a.span(), "config", name, what));
    }
    let biased = matches!(&kind, FieldKind::Linear { bias: Some(_), .. });
    for helper in ["frozen", "weights"] {
        if let (Some(a), true, false) = (find(helper), always_tied, biased) {
            return Err(Diag::tied_and_own(a.span(), helper, name));
        }
    }
    Ok(Field {
        name,
        ty,
        weights,
        quantize,
        kind,
        lora,
        frozen,
        tied,
        when,
        config,
        boxed,
        broken: false,
    })
}

/// `#[config(vision)]` or `#[config(width = 2 * width)]`.
fn inner(a: &Attribute, names: &Names) -> Result<Inner> {
    let args = Args::of(a)?;
    match (&args.positional[..], &args.keyed[..]) {
        ([place], [])
            if is_place(place, condition::Names::Bare) && !condition::has_element(place) =>
        {
            Ok(Inner::Field(Box::new(place.clone())))
        }
        ([], [_, ..]) => {
            let value = |e: &Expr| match e {
                Expr::Lit(l) if !matches!(l.lit, Lit::Int(_)) => {
                    Ok(Value::Literal(Box::new(e.clone())))
                }
                e => dim_expr(e, names).map(Value::Size),
            };
            let all = args
                .keyed
                .iter()
                .map(|(name, e)| Ok((name.clone(), value(e)?)));
            Ok(Inner::With(all.collect::<Result<_>>()?))
        }
        _ => Err(Diag::config_form(a.span())),
    }
}

/// Groups of a known number divide a last dim that is a known number; the loader compares others.
fn whole_groups(
    at: &Attribute,
    name: &Ident,
    kind: &FieldKind,
    group: i64,
    names: &Names,
) -> Result<()> {
    let last = match kind {
        FieldKind::Linear { input, .. } => input,
        FieldKind::Embedding { dim, .. } => dim,
        FieldKind::Layer(l) => match l.dims.last() {
            Some(input) => input,
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    match last.as_constant() {
        Some(n) if n % group != 0 => {
            let size = names.dim(last);
            Err(Diag::group_of_quantize(at.span(), name, group, size))
        }
        _ => Ok(()),
    }
}

/// `#[when(flag)]` and `Option<..>` belong together.
fn condition_of(name: &Ident, a: Option<&Attribute>, optional: bool) -> Result<Option<Expr>> {
    match (a, optional) {
        (None, false) => Ok(None),
        (None, true) => Err(Diag::option_without_when(name.span(), name)),
        (Some(a), false) => Err(Diag::when_without_option(a.span(), name)),
        (Some(a), true) => {
            let mut args = Args::of(a)?;
            let (Some(when), true) = (args.positional.pop(), args.positional.is_empty()) else {
                return Err(Diag::when_form(a.span()));
            };
            condition::check(&when, condition::Names::Bare)?;
            args.finish(&[])?;
            Ok(Some(when))
        }
    }
}

/// The kind of each layer of a stack.
fn single_layer<'a>(
    ty: &Type,
    name: &Ident,
    find: &dyn Fn(&str) -> Option<&'a Attribute>,
    names: &Names,
) -> Result<FieldKind> {
    kind(ty, name, find, names)
}

fn kind<'a>(
    whole: &Type,
    name: &Ident,
    find: impl Fn(&str) -> Option<&'a Attribute>,
    names: &Names,
) -> Result<FieldKind> {
    let ty = last_segment(whole);
    if let Some(model) = element(whole, "Vec") {
        if let Type::Path(p) = &model {
            if let Some(e) = p.path.get_ident().and_then(super::unknown_type) {
                return Err(e);
            }
        }
        let Some(a) = find("layers") else {
            return Err(Diag::layers_without_count(whole.span(), name));
        };
        let mut args = Args::of(a)?;
        if let [one] = &args.positional[..] {
            let count = dim_expr(one, names)?;
            if names.facts.at_most(&count, &Dim::constant(0)) {
                return Err(Diag::no_layers(one.span(), names.dim(&count)));
            }
        }
        let count = args.dims(names, 1, "`#[layers]`")?.remove(0);
        let checkpoint = args
            .take("checkpoint")
            .map_or(Ok(Policy::Auto), |e| policy(&e))?;
        args.finish(&["checkpoint"])?;
        let single = last_segment(&model);
        let leaf = match single == "Linear" || layers::find(&single).is_some_and(|l| !l.indexed) {
            true => {
                let of_one = |n: &str| find(n).filter(|_| n != "layers");
                Some(Box::new(single_layer(&model, name, &of_one, names)?))
            }
            false => None,
        };
        return Ok(FieldKind::Layers {
            count,
            model,
            checkpoint,
            leaf,
        });
    }
    let layer = super::is_layer(&ty);
    if let Type::Path(p) = whole {
        if let (true, Some(last)) = (
            layer,
            p.path.segments.last().filter(|s| !s.arguments.is_none()),
        ) {
            return Err(Diag::layer_parameters(last.span(), &last.ident));
        }
        if let Some(name) = p.path.get_ident().filter(|_| layer) {
            if function_source::not_imported(&ty, name.span()) {
                return Err(Diag::layer_not_imported(name.span(), name));
            }
        }
        if let Some(e) = p
            .path
            .get_ident()
            .filter(|_| !layer)
            .and_then(super::unknown_type)
        {
            return Err(e);
        }
    }
    let mut param = find("param").map(Args::of).transpose()?;
    let need = || Diag::param_without_shape(name.span(), name, &ty);
    if let Some(layer) = layers::find(&ty) {
        let mut args = param.ok_or_else(need)?;
        if let Some((_, eps)) = args.keyed.iter().find(|(k, _)| k == "eps") {
            not_negative(eps, "eps")?;
        }
        let held = layer.parse(&mut args, names)?;
        args.finish(&layer.known())?;
        return Ok(FieldKind::Layer(held));
    }
    let known: &[&str] = match ty.as_str() {
        "Linear" => &["bias"],
        "Param" => &["dtype"],
        _ => &[],
    };
    let kind = match ty.as_str() {
        "Linear" => {
            let args = param.as_mut().ok_or_else(need)?;
            let d = args.dims(names, 2, "`#[param(out, in)]` of a `Linear`")?;
            FieldKind::Linear {
                out: d[0].clone(),
                input: d[1].clone(),
                bias: args.take_flag("bias")?,
            }
        }
        "Embedding" => {
            let args = param.as_ref().ok_or_else(need)?;
            let d = args.dims(names, 2, "`#[param(rows, dim)]` of an `Embedding`")?;
            FieldKind::Embedding {
                rows: d[0].clone(),
                dim: d[1].clone(),
            }
        }
        "Rope" => {
            let Some(a) = find("rope") else {
                return Err(Diag::rope_without_size(name.span(), name));
            };
            let mut args = Args::of(a)?;
            let dims = args.dims(names, 1, "`#[rope]`")?.remove(0);
            let base = args
                .take("base")
                .unwrap_or_else(|| syn::parse_quote!(10000.0));
            let traditional = args
                .take_flag("traditional")?
                .unwrap_or_else(|| syn::parse_quote!(false));
            let scaling = args.take_flag("scaling")?;
            let rotated = match args.take("rotated") {
                Some(e) => dim_expr(&e, names)?,
                None => dims.clone(),
            };
            args.finish(&["base", "traditional", "scaling", "rotated"])?;
            let odd = rotated.as_constant().is_some_and(|n| n < 2 || n % 2 != 0);
            let more = names.facts.at_most(&dims.plus(&Dim::constant(1)), &rotated);
            if odd || more {
                let (rotated, dims) = (names.dim(&rotated), names.dim(&dims));
                return Err(Diag::rotated_of_rope(a.span(), name, rotated, dims));
            }
            if let Some(x) = literal(&base).filter(|x| *x <= 0.0) {
                return Err(Diag::number_outside(
                    base.span(),
                    "rope",
                    "base",
                    "above 0",
                    x,
                ));
            }
            condition::check_number(&base)?;
            FieldKind::Rope {
                dims,
                rotated,
                base,
                traditional,
                scaling,
            }
        }
        "Param" => {
            let args = param.as_mut().ok_or_else(need)?;
            let n = args.positional.len();
            FieldKind::Param {
                shape: args.dims(names, n, "a `Param`")?,
                dtype: args.take("dtype").map_or(Ok(Dt::Float), |e| dtype(&e))?,
            }
        }
        _ => match &param {
            Some(a) => {
                let others = layers::LAYERS.iter().map(|l| l.name);
                let known: Vec<&str> = ["Linear", "Embedding", "Param"]
                    .into_iter()
                    .chain(others)
                    .collect();
                let near = suggest(&ty, known.iter().copied());
                return Err(Diag::param_kind(a.span, known.join(", "), ty, near));
            }
            None => FieldKind::Model,
        },
    };
    if let Some(args) = param {
        args.finish(known)?;
    }
    Ok(kind)
}

/// A number that is a literal is 0 or more.
fn not_negative(e: &Expr, option: &str) -> Result<()> {
    match e {
        Expr::Unary(u) if matches!(u.op, syn::UnOp::Neg(_)) => match &*u.expr {
            Expr::Lit(_) => Err(Diag::option_negative(e.span(), option)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// A dtype from its name.
fn dtype(e: &Expr) -> Result<Dt> {
    match e {
        Expr::Path(p) if p.path.get_ident().is_some() => Dt::parse(p.path.require_ident()?),
        _ => Err(Diag::dtype_form(e.span())),
    }
}

/// A checkpoint policy from `auto`, `every(4)`, `always` or `never`.
fn policy(e: &Expr) -> Result<Policy> {
    let bad = || Diag::unknown_policy(e.span());
    match e {
        Expr::Path(p) if p.path.is_ident("auto") => Ok(Policy::Auto),
        Expr::Path(p) if p.path.is_ident("always") => Ok(Policy::Always),
        Expr::Path(p) if p.path.is_ident("never") => Ok(Policy::Never),
        Expr::Call(c) => match (&*c.func, c.args.first()) {
            (
                Expr::Path(p),
                Some(Expr::Lit(syn::ExprLit {
                    lit: Lit::Int(n), ..
                })),
            ) if p.path.is_ident("every") && c.args.len() == 1 => match n.base10_parse()? {
                0 => Err(bad()),
                k => Ok(Policy::Every(k)),
            },
            _ => Err(bad()),
        },
        _ => Err(bad()),
    }
}
