//! Writes bodies again for rust-analyzer, as Rust that is never compiled: each of the user's tokens stands where it means
//! what it means to the macros, so that hover, completion, renaming and types work on it.
//!
//! Fields, methods and fields of the config are the user's own items. A free dim is a variable, an operation the runtime's
//! function, and a value has a type that shows its shape.
//!
//! Tests: `mlx-tests --test editor`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, ToTokens};
use syn::punctuated::Punctuated;
use syn::{Block, Expr, Ident, Pat, Stmt, Token};

use crate::ir::Graph;
use crate::ops;
use crate::syntax::dims::is_free;
use crate::syntax::kind::FieldKind;
use crate::syntax::model::{Field, ModelDef};
use crate::syntax::signature::{Dt, Method, Ty};

/// The types of values, in which each size is a type of its own.
#[derive(Default)]
pub(super) struct Types(BTreeSet<String>);

impl Types {
    fn of(&mut self, model: &ModelDef, ty: &Ty) -> TokenStream {
        match ty {
            Ty::Tensor(shape, dtype) => {
                let sizes = shape.iter().map(|d| {
                    let name = identifier(&model.names.dim(d));
                    self.0.insert(name.clone());
                    Ident::new(&name, Span::call_site())
                });
                let sizes: Vec<Ident> = sizes.collect();
                let dtype = (*dtype != Dt::Float).then(|| {
                    let name = Ident::new(dtype.name(), Span::call_site());
                    quote! { , #name }
                });
                quote! { __ed::Tensor<(#(__sizes::#sizes,)*) #dtype> }
            }
            Ty::Tuple(all) => {
                let all: Vec<TokenStream> = all.iter().map(|t| self.of(model, t)).collect();
                quote! { (#(#all,)*) }
            }
            Ty::Cache => quote! { &mut ::mlx_runtime::nn::KvCache },
            Ty::Number => quote! { f32 },
            Ty::Whole => quote! { i32 },
            Ty::Unknown => quote! { __ed::Tensor },
        }
    }

    /// The sizes, as types without a value.
    pub fn items(&self) -> TokenStream {
        let names = self.0.iter().map(|n| Ident::new(n, Span::call_site()));
        quote! { mod __sizes { #(pub enum #names {})* } }
    }
}

/// A size as the name of a type: `2 * hidden` is `hidden·2`, because names may have that dot and no other sign.
fn identifier(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric() || c == '_' => out.push(c),
            '*' | '.' => out.push('·'),
            '+' => out += "_plus_",
            '-' => out += "_minus_",
            '/' => out += "_over_",
            _ => {}
        }
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        if let Some((number, rest)) = out.split_once('·') {
            return format!("{rest}·{number}");
        }
        out.insert(0, '_');
    }
    match out.as_str() {
        "" | "_" => "_1".to_string(),
        _ => out,
    }
}

/// A body and what its names mean.
struct Shadow<'a> {
    model: &'a ModelDef,
    methods: &'a [Method],
    /// The type of each variable, by the place that binds it.
    types: BTreeMap<String, TokenStream>,
    /// The variables in scope, innermost last.
    variables: Vec<String>,
    /// The names of free dims.
    free: Vec<String>,
    /// The config.
    config: Ident,
}

/// A place in the source: rustc, rust-analyzer and tests show spans in ways of their own, each of them unique.
fn place(at: Span) -> String {
    format!("{at:?}")
}

/// A method as the user wrote it.
pub(super) struct Head<'a> {
    /// The signature.
    pub signature: Option<&'a syn::Signature>,
    /// The body.
    pub body: Option<&'a Block>,
    /// A place where names mean what they mean to the user.
    pub user: Span,
}

impl Head<'_> {
    /// The tokens of the types.
    fn types(&self) -> TokenStream {
        let inputs = self.signature.iter().flat_map(|s| &s.inputs);
        let args = inputs.filter_map(|a| match a {
            syn::FnArg::Typed(t) => Some(t.ty.to_token_stream()),
            syn::FnArg::Receiver(_) => None,
        });
        let ret = self.signature.and_then(|s| match &s.output {
            syn::ReturnType::Type(_, t) => Some(t.to_token_stream()),
            syn::ReturnType::Default => None,
        });
        args.chain(ret).collect()
    }

    fn name(&self, text: &str) -> Ident {
        Ident::new(text, Span::call_site().resolved_at(self.user))
    }
}

/// The name of the function that holds a method's body.
pub(super) fn body_of(m: &Method) -> Ident {
    let name = m.name.to_string();
    let name = format!("__mlx_body_of_{}", name.trim_start_matches("r#"));
    Ident::new(&name, Span::call_site())
}

/// The body of a method, for the analyser.
pub(super) fn method(
    model: &ModelDef,
    methods: &[Method],
    m: &Method,
    graph: Option<&Graph>,
    head: &Head<'_>,
    all: &mut Types,
) -> TokenStream {
    let bound = graph.iter().flat_map(|g| &g.bound);
    let args = m.args.iter().map(|a| {
        let (name, ty) = (&a.name, all.of(model, &a.ty));
        let mutable = a.mutable.then(|| quote! { mut });
        quote! { #mutable #name: #ty }
    });
    let args: Vec<TokenStream> = args.collect();
    let mut shadow = Shadow {
        model,
        methods,
        types: bound
            .map(|(name, ty)| (place(name.span()), all.of(model, ty)))
            .collect(),
        variables: m.args.iter().map(|a| a.name.to_string()).collect(),
        free: Vec::new(),
        config: head.name("config"),
    };
    let dims = shadow.dims(head.types());
    let body = shadow.statements(head.body.unwrap_or(&m.body));
    let receiver = head.signature.and_then(|s| s.receiver());
    let receiver = receiver.map(|r| quote! { #r, });
    let config = (!model.function).then(|| {
        let (name, config, layer) = (&shadow.config, &model.config, head.name("layer"));
        quote! { let #name: &#config = __ed::any(); let #layer: usize = 0; }
    });
    let name = body_of(m);
    quote! {
        #[allow(warnings, non_snake_case)]
        fn #name(#receiver #(#args),*) { #config #dims #body }
    }
}

impl Shadow<'_> {
    /// The dims of types: the first time that a free one is named is where it comes from.
    fn dims(&mut self, types: TokenStream) -> TokenStream {
        let mut out = TokenStream::new();
        let mut tokens = types.into_iter().peekable();
        while let Some(t) = tokens.next() {
            match t {
                TokenTree::Group(g) => out.extend(self.dims(g.stream())),
                TokenTree::Ident(i) => {
                    let mut inner = TokenStream::new();
                    let dot =
                        |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == '.');
                    while let Some(dot) = tokens.next_if(dot) {
                        inner.extend([dot].into_iter().chain(tokens.next()));
                    }
                    out.extend(self.dim(&i, &inner));
                }
                _ => {}
            }
        }
        out
    }

    /// A size in a type; `inner` is its place in a config inside of the config.
    fn dim(&mut self, name: &Ident, inner: &TokenStream) -> TokenStream {
        let text = name.to_string();
        if [
            "float", "f32", "i32", "u32", "bool", "Tensor", "State", "KvCache", "mut",
        ]
        .contains(&text.as_str())
        {
            return TokenStream::new();
        }
        if is_free(&text) && !self.free.contains(&text) && text != "Past" {
            self.free.push(text);
            return quote! { let #name: usize = 0; };
        }
        let config = &self.config;
        let size = match is_free(&text) || self.model.names.short.contains_key(&text) {
            true => self.name(name),
            false => quote! { #config.#name },
        };
        quote! { let _ = #size #inner; }
    }

    /// A name where a value or a size stands.
    fn name(&self, name: &Ident) -> TokenStream {
        let text = name.to_string();
        let known = self.variables.contains(&text) || self.free.contains(&text);
        if known || ["config", "layer", "self"].contains(&text.as_str()) || is_free(&text) {
            return quote! { #name };
        }
        if self.model.names.short.contains_key(&text) {
            let holder = holder(self.model);
            return quote! { #holder::#name };
        }
        let in_config = self.model.source.iter().any(|(n, _)| *n == text);
        match in_config || self.model.names.places.borrow().contains_key(&text) {
            true => {
                let config = &self.config;
                quote! { #config.#name }
            }
            false => quote! { #name },
        }
    }

    fn statements(&mut self, block: &Block) -> TokenStream {
        let before = self.variables.len();
        let all: Vec<TokenStream> = block.stmts.iter().map(|s| self.statement(s)).collect();
        self.variables.truncate(before);
        quote! { #(#all)* }
    }

    fn statement(&mut self, s: &Stmt) -> TokenStream {
        match s {
            Stmt::Local(l) => {
                let value = l.init.as_ref().map(|i| self.expr(&i.expr));
                let (pat, declared) = match &l.pat {
                    Pat::Type(t) => (&*t.pat, self.dims(t.ty.to_token_stream())),
                    pat => (pat, TokenStream::new()),
                };
                let (pattern, ty) = self.pattern(pat);
                let value = value.map(|v| quote! { = __ed::typed(#v, __ed::of::<#ty>()) });
                quote! { #declared let #pattern #value; }
            }
            Stmt::Expr(e, _) => {
                let e = self.expr(e);
                quote! { #e; }
            }
            Stmt::Macro(m) => {
                let e = self.mac(&m.mac);
                quote! { #e; }
            }
            Stmt::Item(_) => TokenStream::new(),
        }
    }

    /// A pattern, and the type that it has.
    fn pattern(&mut self, pat: &Pat) -> (TokenStream, TokenStream) {
        match pat {
            Pat::Ident(i) => {
                self.variables.push(i.ident.to_string());
                let (name, mutable) = (&i.ident, &i.mutability);
                let ty = self.types.get(&place(name.span())).cloned();
                (
                    quote! { #mutable #name },
                    ty.unwrap_or_else(|| quote! { _ }),
                )
            }
            Pat::Tuple(t) => {
                let (all, types): (Vec<_>, Vec<_>) =
                    t.elems.iter().map(|p| self.pattern(p)).unzip();
                (quote! { (#(#all,)*) }, quote! { (#(#types,)*) })
            }
            Pat::Paren(p) => self.pattern(&p.pat),
            _ => (quote! { _ }, quote! { _ }),
        }
    }

    fn all<'e>(&mut self, args: impl IntoIterator<Item = &'e Expr>) -> TokenStream {
        let all: Vec<TokenStream> = args.into_iter().map(|e| self.value(e)).collect();
        quote! { (#(#all,)*) }
    }

    /// An argument, which may be given by its name.
    fn value(&mut self, e: &Expr) -> TokenStream {
        match e {
            Expr::Assign(a) => self.expr(&a.right),
            e => self.expr(e),
        }
    }

    fn expr(&mut self, e: &Expr) -> TokenStream {
        match e {
            Expr::Path(p) => match p.path.get_ident() {
                Some(name) => self.name(name),
                None => p.to_token_stream(),
            },
            Expr::MethodCall(m) => self.method_call(m),
            Expr::Call(c) => {
                let args = self.all(&c.args);
                match &*c.func {
                    Expr::Path(p)
                        if p.path
                            .get_ident()
                            .is_some_and(|n| self.variables.contains(&n.to_string())) =>
                    {
                        quote! { __ed::layer(#p, #args) }
                    }
                    Expr::Path(p)
                        if p.path
                            .segments
                            .first()
                            .is_some_and(|s| s.ident == "KvCache") =>
                    {
                        let name = p.path.segments.last();
                        quote! { ::mlx_runtime::nn::KvCache::#name() }
                    }
                    Expr::Path(p) => quote! { __ed::call(#p, #args) },
                    other => {
                        let f = self.expr(other);
                        quote! { __ed::layer(&#f, #args) }
                    }
                }
            }
            Expr::Field(f) if is_cache(&f.base, self.methods) => {
                let cache = &f.base;
                quote! { __ed::index(&#cache, ()) }
            }
            Expr::Field(f) => {
                let (base, member) = (self.expr(&f.base), &f.member);
                quote! { #base.#member }
            }
            Expr::Binary(b) => {
                let (l, op, r) = (self.expr(&b.left), &b.op, self.expr(&b.right));
                quote! { #l #op #r }
            }
            Expr::Unary(u) => {
                let (op, e) = (&u.op, self.expr(&u.expr));
                quote! { #op #e }
            }
            Expr::Paren(p) => {
                let e = self.expr(&p.expr);
                quote! { (#e) }
            }
            Expr::Group(g) => self.expr(&g.expr),
            Expr::Reference(r) => self.expr(&r.expr),
            Expr::Cast(c) => self.expr(&c.expr),
            Expr::Tuple(t) => self.all(&t.elems),
            Expr::Array(a) => self.all(&a.elems),
            Expr::Index(i) => {
                let (of, at) = (self.expr(&i.expr), self.expr(&i.index));
                quote! { __ed::index(&#of, #at) }
            }
            Expr::Range(r) => {
                let side = |s: &mut Self, e: &Option<Box<Expr>>| e.as_ref().map(|e| s.expr(e));
                let (start, end) = (side(self, &r.start), side(self, &r.end));
                let limits = &r.limits;
                quote! { #start #limits #end }
            }
            Expr::Assign(a) => {
                let (l, r) = (self.expr(&a.left), self.expr(&a.right));
                quote! { #l = __ed::from(#r) }
            }
            Expr::If(i) => {
                let (cond, then) = (self.expr(&i.cond), self.statements(&i.then_branch));
                let other = i.else_branch.as_ref().map(|(_, e)| {
                    let e = self.expr(e);
                    quote! { else { #e; } }
                });
                quote! { if __ed::from(#cond) { #then } #other }
            }
            Expr::Block(b) => {
                let body = self.statements(&b.block);
                quote! { { #body } }
            }
            Expr::ForLoop(f) => {
                let over = match &*f.expr {
                    Expr::Range(_) => self.expr(&f.expr),
                    Expr::MethodCall(m) if m.method == "enumerate" => {
                        let e = self.expr(&m.receiver);
                        quote! { __ed::each(&#e).enumerate() }
                    }
                    e => {
                        let e = self.expr(e);
                        quote! { __ed::each(&#e) }
                    }
                };
                let before = self.variables.len();
                let (pattern, _) = self.pattern(&f.pat);
                let body = self.statements(&f.body);
                self.variables.truncate(before);
                quote! { for #pattern in #over { #body } }
            }
            Expr::Macro(m) => self.mac(&m.mac),
            Expr::Return(r) => r
                .expr
                .as_ref()
                .map_or_else(TokenStream::new, |e| self.expr(e)),
            Expr::Lit(_) => e.to_token_stream(),
            _ => quote! { __ed::any::<__ed::Tensor>() },
        }
    }

    fn method_call(&mut self, m: &syn::ExprMethodCall) -> TokenStream {
        let (name, text) = (&m.method, m.method.to_string());
        let of_self = matches!(&*m.receiver, Expr::Path(p) if p.path.is_ident("self"));
        let args = self.all(&m.args);
        if of_self {
            let receiver = &m.receiver;
            return match self.methods.iter().any(|o| o.name == *name) {
                true => quote! { __ed::call(Self::#name, #args) },
                false => quote! { __ed::layer(&#receiver.#name, #args) },
            };
        }
        let receiver = self.expr(&m.receiver);
        let known = ops::find(&text).is_some();
        let field = match &*m.receiver {
            Expr::Field(f) if matches!(&*f.base, Expr::Path(p) if p.path.is_ident("self")) => {
                let param = |o: &Field| matches!(o.kind, FieldKind::Param { .. });
                let named = |o: &&Field| matches!(&f.member, syn::Member::Named(n) if o.name == *n);
                !self.model.fields.iter().find(named).is_some_and(param)
            }
            _ => false,
        };
        match (known, field) {
            (true, false) => quote! { __ed::call(#name, (#receiver, #args)) },
            _ if ["is_some", "is_none"].contains(&text.as_str()) => quote! { #receiver.#name() },
            _ if ["update", "keep"].contains(&text.as_str()) => {
                quote! { __ed::call(::mlx_runtime::nn::KvCache::#name, (#receiver, #args)) }
            }
            _ if text == "push" => quote! { #receiver.#name(#args) },
            (_, true) => {
                let args: Vec<TokenStream> = m.args.iter().map(|e| self.value(e)).collect();
                quote! { __ed::from::<_, __ed::Tensor>(#receiver.#name(#(__ed::from(#args)),*)) }
            }
            _ => quote! { ({ #args; #receiver.#name }) },
        }
    }

    fn mac(&mut self, mac: &syn::Macro) -> TokenStream {
        if mac.path.is_ident("vec") {
            return quote! { __ed::List };
        }
        let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
        let args = mac.parse_body_with(parse).unwrap_or_default();
        let (name, args) = (&mac.path, self.all(&args));
        quote! { __ed::call(#name, #args) }
    }
}

/// True of a cache, whose states are no fields.
fn is_cache(base: &Expr, methods: &[Method]) -> bool {
    let mut caches = methods
        .iter()
        .flat_map(|m| &m.args)
        .filter(|a| a.ty == Ty::Cache);
    matches!(base, Expr::Path(p) if caches.any(|a| p.path.is_ident(&a.name)))
}

/// The sizes in the attributes of a struct: fields of its config, and names of its own, which are constants.
pub(super) fn sizes(
    model: &ModelDef,
    attributes: impl IntoIterator<Item = TokenStream>,
) -> TokenStream {
    let mut out = Vec::new();
    for tokens in attributes {
        named(model, tokens, &mut out);
    }
    let short = model.names.defined.iter().map(|(name, at)| {
        let name = Ident::new(name, *at);
        quote! { #[allow(non_upper_case_globals)] pub const #name: usize = 0; }
    });
    let (config, holder) = (&model.config, holder(model));
    let (impl_generics, _, where_clause) = model.item.generics.split_for_impl();
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        pub struct #holder;
        impl #holder {
            #(#short)*
            #[allow(warnings)]
            fn sizes #impl_generics (config: &#config) #where_clause { #(let _ = #out;)* }
        }
    }
}

/// The type that holds the names of `dims(..)`.
fn holder(model: &ModelDef) -> Ident {
    Ident::new(&format!("__Sizes_{}", model.item.ident), Span::call_site())
}

/// The names in the arguments of attributes, without those of options.
fn named(model: &ModelDef, tokens: TokenStream, out: &mut Vec<TokenStream>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mark =
        |i: usize, c: char| matches!(tokens.get(i), Some(TokenTree::Punct(p)) if p.as_char() == c);
    for (i, t) in tokens.iter().enumerate() {
        match t {
            TokenTree::Group(g) => named(model, g.stream(), out),
            TokenTree::Ident(name) => {
                let option = mark(i + 1, '=') && !mark(i + 2, '=');
                let call = matches!(tokens.get(i + 1), Some(TokenTree::Group(_)));
                let inner = i > 0 && (mark(i - 1, '.') || mark(i - 1, ':'));
                let text = name.to_string();
                if option || call || inner || mark(i + 1, ':') || OPTIONS.contains(&text.as_str()) {
                    continue;
                }
                out.push(match model.names.short.contains_key(&text) {
                    true => {
                        let holder = holder(model);
                        quote! { #holder::#name }
                    }
                    false => quote! { config.#name },
                });
            }
            _ => {}
        }
    }
}

/// Words of attributes that are no sizes.
const OPTIONS: &[&str] = &[
    "auto",
    "always",
    "never",
    "true",
    "false",
    "transposed",
    "layer",
];
