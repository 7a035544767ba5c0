//! Reads the impl of a model: its methods, their arguments and results.
//!
//! Tests: `tests/planted.rs`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{
    Attribute, Block, Expr, FnArg, Ident, ImplItem, ItemImpl, Pat, ReturnType, Token, Type,
    Visibility,
};

use crate::diag::{foreign, suggest, Diag, Result};
use crate::syntax::args::positive;
use crate::syntax::dims::{is_free, Dim, Shape};
use crate::syntax::names::Names;

/// Element types as the language tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dt {
    /// The dtype of the model's activations, chosen at load (bfloat16, float16 or float32).
    Float,
    /// float32, whatever the activations are.
    F32,
    /// int32.
    I32,
    /// uint32.
    U32,
    /// bool.
    Bool,
}

impl Dt {
    /// The names that may be written.
    pub const NAMES: [&'static str; 5] = ["float", "f32", "i32", "u32", "bool"];

    /// The dtype of a written name.
    pub fn parse(name: &Ident) -> Result<Dt> {
        Ok(match name.to_string().as_str() {
            "float" => Dt::Float,
            "f32" => Dt::F32,
            "i32" => Dt::I32,
            "u32" => Dt::U32,
            "bool" => Dt::Bool,
            other => {
                let near = match foreign::dtype(other) {
                    Some(ours) => format!(": write `{ours}`"),
                    None => suggest(other, Dt::NAMES),
                };
                return Err(Diag::unknown_dtype(name.span(), other, near));
            }
        })
    }

    /// The name as it is written.
    pub fn name(self) -> &'static str {
        Dt::NAMES[match self {
            Dt::Float => 0,
            Dt::F32 => 1,
            Dt::I32 => 2,
            Dt::U32 => 3,
            Dt::Bool => 4,
        }]
    }
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ty {
    /// An array.
    Tensor(Shape, Dt),
    /// Several values.
    Tuple(Vec<Ty>),
    /// The keys and values of the tokens before.
    Cache,
    /// A number, an `f32` of the call.
    Number,
    /// A whole number, an `i32` of the call.
    Whole,
    /// Something that has an error already, which silences those that would follow.
    Unknown,
}

impl Ty {
    /// True for a number that a call gives.
    pub fn is_number(&self) -> bool {
        matches!(self, Ty::Number | Ty::Whole)
    }

    /// True if this is the other type, as far as it is known.
    pub fn fits(&self, other: &Ty) -> bool {
        match (self, other) {
            (Ty::Unknown, _) => true,
            (Ty::Tuple(a), Ty::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.fits(b))
            }
            (a, b) => a == b,
        }
    }
}

/// An argument of a method.
pub struct Argument {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: Ty,
    /// The span of the type as written.
    pub span: Span,
    /// True if it is `mut`.
    pub mutable: bool,
    /// The states of a `State![..]`.
    pub states: Vec<(Ident, Ty)>,
}

/// A method of a model.
pub struct Method {
    /// Documentation and other attributes, passed on.
    pub attrs: Vec<Attribute>,
    /// Its visibility.
    pub vis: Visibility,
    /// Its name.
    pub name: Ident,
    /// Its arguments besides `&self`.
    pub args: Vec<Argument>,
    /// The type of its result.
    pub ret: Ty,
    /// The span of the result's type.
    pub ret_span: Span,
    /// The body as written.
    pub body: Block,
    /// Its signature has a mistake: nothing is said of its body and its calls.
    pub broken: bool,
}

impl Method {
    /// The lines of the source that it is in.
    pub fn lines(&self) -> std::ops::RangeInclusive<usize> {
        self.name.span().start().line..=self.body.brace_token.span.close().end().line
    }

    /// The free dims, in the order in which the arguments first name them.
    pub fn free_dims(&self) -> Vec<String> {
        let mut free: Vec<String> = Vec::new();
        for arg in &self.args {
            let Ty::Tensor(shape, _) = &arg.ty else {
                continue;
            };
            // Only a dim that stands alone can be read off an array.
            for name in shape.iter().filter_map(|d| d.as_name()) {
                if name != PAST && is_free(name) && !free.iter().any(|f| f == name) {
                    free.push(name.to_string());
                }
            }
        }
        free
    }
}

/// The attribute of what is left of an item or method that does not parse.
pub const BROKEN: &str = "__mlx_broken";

/// Takes the mark off an item or method that does not parse. True if there was one.
pub fn take_mark(attrs: &mut Vec<Attribute>) -> bool {
    let before = attrs.len();
    attrs.retain(|a| !a.path().is_ident(BROKEN));
    attrs.len() < before
}

/// Reads the methods of an impl; mistakes are gathered.
pub fn methods(item: &ItemImpl, names: &Names) -> (Vec<Method>, Vec<Diag>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for i in &item.items {
        match i {
            ImplItem::Fn(f) if f.attrs.iter().any(|a| a.path().is_ident(BROKEN)) => {
                let mut attrs = f.attrs.clone();
                take_mark(&mut attrs);
                found.push(stand_in(&attrs, &f.vis, &f.sig, &f.block, names));
            }
            ImplItem::Fn(f) => match method(f, names) {
                Ok(m) => found.push(m),
                Err(e) => {
                    errors.push(e);
                    found.push(stand_in(&f.attrs, &f.vis, &f.sig, &f.block, names));
                }
            },
            other => {
                errors.push(Diag::not_a_method(other.span()));
            }
        }
    }
    (found, errors)
}

/// A signature with a mistake, as far as it is understood.
pub fn stand_in(
    attrs: &[Attribute],
    vis: &Visibility,
    sig: &syn::Signature,
    body: &Block,
    names: &Names,
) -> Method {
    let known = |t: &Type| ty(t, names).unwrap_or_else(|_| meant(t));
    let mut before: Vec<Ident> = Vec::new();
    let args = sig.inputs.iter().filter_map(|a| match a {
        FnArg::Typed(a) => {
            // rustc has nothing to add of a name that stands twice.
            let name = match &*a.pat {
                Pat::Ident(p) if !before.contains(&p.ident) => p.ident.clone(),
                _ => Ident::new("_", Span::call_site()),
            };
            before.push(name.clone());
            let (ty, span) = (known(&a.ty), a.ty.span());
            Some(Argument {
                name,
                ty,
                span,
                mutable: true,
                states: vec![],
            })
        }
        FnArg::Receiver(_) => None,
    });
    let (ret, ret_span) = match &sig.output {
        ReturnType::Type(_, t) => (known(t), t.span()),
        ReturnType::Default => (Ty::Unknown, sig.ident.span()),
    };
    let mut method = Method {
        attrs: attrs.to_vec(),
        vis: vis.clone(),
        name: sig.ident.clone(),
        args: args.collect(),
        ret,
        ret_span,
        body: body.clone(),
        broken: true,
    };
    if check_free(&method.ret, &method.free_dims(), ret_span).is_err() {
        method.ret = match method.ret {
            Ty::Tuple(all) => Ty::Tuple(vec![Ty::Unknown; all.len()]),
            _ => Ty::Unknown,
        };
    }
    method
}

fn method(f: &syn::ImplItemFn, names: &Names) -> Result<Method> {
    match f.sig.receiver() {
        Some(r) if r.reference.is_some() && r.mutability.is_none() => {}
        _ => {
            return Err(Diag::no_receiver(f.sig.ident.span()));
        }
    }
    read(&f.attrs, &f.vis, &f.sig, &f.block, names)
}

/// Reads a function with `#[mlx_fn]`.
pub fn function(f: &syn::ItemFn, names: &Names) -> Result<Method> {
    if let Some(r) = f.sig.receiver() {
        return Err(Diag::function_receiver(r.span()));
    }
    let attrs = f.attrs.iter().filter(|a| !a.path().is_ident("require"));
    let attrs: Vec<Attribute> = attrs.cloned().collect();
    read(&attrs, &f.vis, &f.sig, &f.block, names)
}

fn read(
    attrs: &[Attribute],
    vis: &Visibility,
    sig: &syn::Signature,
    block: &Block,
    names: &Names,
) -> Result<Method> {
    let mut args = Vec::new();
    for a in &sig.inputs {
        let FnArg::Typed(a) = a else { continue };
        let Pat::Ident(p) = &*a.pat else {
            return Err(Diag::argument_pattern(a.pat.span()));
        };
        let alike = |other: &Argument| other.name == p.ident && p.ident != "_";
        if args.iter().any(alike) {
            return Err(Diag::arguments_alike(p.ident.span(), &p.ident));
        }
        not_reserved(&p.ident)?;
        args.push(Argument {
            name: p.ident.clone(),
            ty: ty(&a.ty, names)?,
            span: a.ty.span(),
            mutable: p.mutability.is_some(),
            states: states(&a.ty, names)?,
        });
    }
    let (ret, ret_span) = match &sig.output {
        ReturnType::Type(_, t) => (ty(t, names)?, t.span()),
        ReturnType::Default => return Err(Diag::no_result(sig.ident.span())),
    };
    // Beside a cache, `Past` is the number of positions that it puts in front.
    let cached = args.iter().any(|a| a.ty == Ty::Cache);
    let ret = if cached { with_past(ret) } else { ret };
    for a in args.iter_mut().filter(|_| cached) {
        a.ty = with_past(std::mem::replace(&mut a.ty, Ty::Unknown));
    }
    let method = Method {
        attrs: attrs.to_vec(),
        vis: vis.clone(),
        name: sig.ident.clone(),
        args,
        ret,
        ret_span,
        body: block.clone(),
        broken: false,
    };
    let free = method.free_dims();
    for a in &method.args {
        match &a.ty {
            Ty::Tensor(shape, _) => {
                // A size of several is checked once the call has bound its names.
                let known = |n: &&str| *n == PAST || !is_free(n) || free.iter().any(|f| f == n);
                let mixed = |d: &&crate::syntax::dims::Dim| {
                    d.as_name().is_none() && !d.names().iter().all(known)
                };
                if let Some(d) = shape.iter().find(mixed) {
                    return Err(Diag::mixed_dim(a.span, d));
                }
            }
            Ty::Tuple(_) => return Err(Diag::tuple_argument(a.span)),
            Ty::Cache | Ty::Number | Ty::Whole | Ty::Unknown => {}
        }
        check_free(&a.ty, &free, a.span)?;
        a.states
            .iter()
            .try_for_each(|(name, ty)| check_free(ty, &free, name.span()))?;
    }
    if method.args.iter().filter(|a| a.ty == Ty::Cache).count() > 1 {
        return Err(Diag::two_caches(sig.ident.span()));
    }
    let flat = match &method.ret {
        Ty::Tuple(all) => all.iter().all(|t| matches!(t, Ty::Tensor(..))),
        t => matches!(t, Ty::Tensor(..)),
    };
    if !flat {
        return Err(Diag::result_kind(ret_span));
    }
    if sig.asyncness.is_some() || !sig.generics.params.is_empty() {
        return Err(Diag::async_or_generic(sig.ident.span()));
    }
    check_free(&method.ret, &free, ret_span)?;
    Ok(method)
}

/// A type with the size `Past` as that which a cache alone knows.
pub fn with_past(ty: Ty) -> Ty {
    match ty {
        Ty::Tensor(shape, dtype) => {
            let past = std::collections::BTreeMap::from([("Past".to_string(), Dim::name(PAST))]);
            Ty::Tensor(shape.iter().map(|d| d.substitute(&past)).collect(), dtype)
        }
        Ty::Tuple(all) => Ty::Tuple(all.into_iter().map(with_past).collect()),
        other => other,
    }
}

/// The name of the number of positions that a cache puts in front.
pub const PAST: &str = "Past'";

/// Refuses names of variables that have a meaning of their own.
pub fn not_reserved(name: &Ident) -> Result<()> {
    let meaning = match name.to_string().as_str() {
        "config" => "the config",
        "layer" => "the index of this model in its stack",
        _ => return Ok(()),
    };
    Err(Diag::name_reserved(name.span(), name, meaning))
}

/// A free dim must come from an argument: nothing else can give it a number.
pub fn check_free(ty: &Ty, free: &[String], span: Span) -> Result<()> {
    match ty {
        Ty::Tensor(shape, _) => {
            for name in shape.iter().flat_map(|d| d.names()) {
                if name != PAST && is_free(name) && !free.iter().any(|f| f == name) {
                    let near = suggest(name, free.iter().map(String::as_str));
                    return Err(Diag::free_dim_unbound(span, name, near));
                }
            }
            Ok(())
        }
        Ty::Tuple(all) => all.iter().try_for_each(|t| check_free(t, free, span)),
        Ty::Cache | Ty::Number | Ty::Whole | Ty::Unknown => Ok(()),
    }
}

/// A type: `Tensor![..]`, a tuple of them, or `&mut KvCache`.
pub fn ty(t: &Type, names: &Names) -> Result<Ty> {
    match t {
        Type::Macro(m) if m.mac.path.is_ident("Tensor") => tensor(m.mac.tokens.clone(), names),
        Type::Tuple(t) => Ok(Ty::Tuple(
            t.elems
                .iter()
                .map(|t| ty(t, names))
                .collect::<Result<_>>()?,
        )),
        Type::Paren(p) => ty(&p.elem, names),
        Type::Group(g) => ty(&g.elem, names),
        Type::Path(p) if p.path.is_ident("f32") => Ok(Ty::Number),
        Type::Path(p) if p.path.is_ident("i32") => Ok(Ty::Whole),
        Type::Reference(r) => match &*r.elem {
            Type::Macro(m) if m.mac.path.is_ident("State") && r.mutability.is_some() => {
                Ok(Ty::Cache)
            }
            Type::Path(p)
                if p.path.segments.last().is_some_and(|s| s.ident == "KvCache")
                    && r.mutability.is_some() =>
            {
                Ok(Ty::Cache)
            }
            other => Err(unknown_type(other)),
        },
        other => Err(unknown_type(other)),
    }
}

/// The states of `&mut State![h: [B, hidden], s: [B, n; f32]]`.
fn states(t: &Type, names: &Names) -> Result<Vec<(Ident, Ty)>> {
    let Type::Reference(r) = t else {
        return Ok(vec![]);
    };
    let Type::Macro(m) = &*r.elem else {
        return Ok(vec![]);
    };
    let parse = |input: ParseStream<'_>| -> syn::Result<Vec<(Ident, Option<TokenStream>)>> {
        let mut all = Vec::new();
        while !input.is_empty() {
            let name = input.parse::<Ident>()?;
            input.parse::<Token![:]>()?;
            all.push(match input.peek(Ident) {
                true => {
                    let kind = input.parse::<Ident>()?;
                    if kind != "KvCache" {
                        return Err(syn::Error::new(kind.span(), "expected `KvCache`"));
                    }
                    (name, None)
                }
                false => {
                    let sizes;
                    syn::bracketed!(sizes in input);
                    (name, Some(sizes.parse::<TokenStream>()?))
                }
            });
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(all)
    };
    let all = parse
        .parse2(m.mac.tokens.clone())
        .map_err(|e| Diag::state_form(e.span()))?;
    if all.is_empty() {
        return Err(Diag::state_form(m.span()));
    }
    let mut found: Vec<(Ident, Ty)> = Vec::new();
    for (name, sizes) in all {
        if found.iter().any(|(n, _)| *n == name) {
            return Err(Diag::arguments_alike(name.span(), &name));
        }
        let ty = sizes.map_or(Ok(Ty::Cache), |sizes| tensor(sizes, names))?;
        found.push((name, ty));
    }
    Ok(found)
}

/// The type that one with a mistake stands for, as far as Rust's types tell them apart.
fn meant(t: &Type) -> Ty {
    let text = t.to_token_stream().to_string();
    match text.to_lowercase().contains("cache") {
        true => Ty::Cache,
        false => Ty::Unknown,
    }
}

fn unknown_type(t: &Type) -> Diag {
    Diag::unknown_type(t.span(), t.to_token_stream())
}

fn tensor(tokens: TokenStream, names: &Names) -> Result<Ty> {
    let parse = |input: ParseStream<'_>| -> syn::Result<(Vec<Expr>, Option<Ident>)> {
        let mut dims = Vec::new();
        while !input.is_empty() && !input.peek(Token![;]) {
            dims.push(input.parse::<Expr>()?);
            if input.is_empty() || input.peek(Token![;]) {
                break;
            }
            input.parse::<Token![,]>()?;
        }
        let dtype = match input.parse::<Option<Token![;]>>()? {
            Some(_) => Some(input.parse::<Ident>()?),
            None => None,
        };
        Ok((dims, dtype))
    };
    let (dims, dtype) = parse.parse2(tokens)?;
    // `Tensor![B, L, i32]`: no size has the name of a dtype.
    if let Some(Expr::Path(last)) = dims.last().filter(|_| dims.len() > 1) {
        let name = last
            .path
            .get_ident()
            .map(ToString::to_string)
            .unwrap_or_default();
        if Dt::NAMES.contains(&name.as_str()) {
            return Err(Diag::dtype_as_dim(last.span(), name));
        }
    }
    let shape = dims
        .iter()
        .map(|e| positive(e, names))
        .collect::<Result<Shape>>()?;
    let dtype = dtype.map_or(Ok(Dt::Float), |d| Dt::parse(&d))?;
    Ok(Ty::Tensor(shape, dtype))
}
