//! The struct's half of the output: loading with every check, and walking over the layers.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, ToTokens};

use crate::checkpoint::Saved;
use crate::dims::{is_free, Dim};
use crate::lower::{config_expr, dim, join_key, sig_type};
use crate::parse::{Field, FieldKind, ModelDef};
use crate::signature::{Method, Ty};

/// `impl Model for ..`.
pub fn model_impl(
    model: &ModelDef,
    methods: &[Method],
    joins: &[Vec<Ident>],
    kept: Option<(&Method, Saved)>,
) -> TokenStream {
    let (name, config) = (&model.item.ident, &model.config);
    let (impl_generics, ty_generics, where_clause) = model.item.generics.split_for_impl();
    let sig = signature(model, methods);
    let build = build(model, joins);
    let saved = kept.map(|(m, s)| saved(m, &s));
    let visits = model.fields.iter().map(|f| visit(f, false));
    let visits_mut = model.fields.iter().map(|f| visit(f, true));
    quote! {
        #[automatically_derived]
        #[allow(unused_variables, unused_mut, clippy::all)]
        impl #impl_generics ::mlx_runtime::model::Model for #name #ty_generics #where_clause {
            type Config = #config;
            const SIG: ::mlx_runtime::__private::Sig = #sig;
            #saved
            fn build(__config: &::std::sync::Arc<#config>, __path: &str, __loader: &mut ::mlx_runtime::model::Loader) -> Self { #build }
            fn visit<'__a>(&'__a self, __path: &str, __f: &mut dyn FnMut(&str, ::mlx_runtime::model::Leaf<'__a>)) { #(#visits)* }
            fn visit_mut(&mut self, __path: &str, __f: &mut dyn FnMut(&str, ::mlx_runtime::model::LeafMut<'_>)) { #(#visits_mut)* }
        }
    }
}

/// The struct itself, with the field that the macros need.
pub fn item(model: &ModelDef) -> TokenStream {
    let mut item = model.item.clone();
    let config = &model.config;
    if let syn::Fields::Named(fields) = &mut item.fields {
        // A private field: a model is made by loading, which is where it is checked.
        let meta: syn::Field =
            syn::parse_quote! { #[doc(hidden)] __mlx: ::mlx_runtime::__private::Meta<#config> };
        fields.named.push(meta);
    }
    quote! { #[derive(Clone)] #item }
}

/// What `forward` keeps for the backward pass, for a first argument of the shape `__x`.
fn saved(method: &Method, saved: &Saved) -> TokenStream {
    let Some(Ty::Tensor(first, _)) = method.args.first().map(|a| &a.ty) else {
        return quote! {};
    };
    // Dims that the first argument does not have count as one: an estimate from below.
    let size = |d: &Dim| {
        dim(d, |n| {
            match first.iter().position(|f| f.as_name() == Some(n)) {
                Some(i) => quote! { __at(#i) },
                None if is_free(n) => quote! { 1i64 },
                None => {
                    let field = crate::lower::config_field(n);
                    quote! { (__c.#field as i64) }
                }
            }
        })
    };
    let (values, scores) = (size(&saved.values), size(&saved.scores));
    let models = saved.models.iter().map(|(field, shape)| {
        let shape = shape.iter().map(size);
        quote! { .plus(::mlx_runtime::model::Model::saved(&self.#field, &[#(#shape),*])) }
    });
    quote! {
        fn saved(&self, __x: &[i64]) -> ::mlx_runtime::__private::Saved {
            let __c = self.__mlx.config();
            let __at = |i: usize| __x.get(i).copied().unwrap_or(1);
            ::mlx_runtime::__private::Saved { values: #values, scores: #scores } #(#models)*
        }
    }
}

/// What callers check against: the shape of `forward`.
fn signature(model: &ModelDef, methods: &[Method]) -> TokenStream {
    let s = quote! { ::mlx_runtime::__private::Sig };
    let what = model.item.ident.to_string();
    match methods.iter().find(|m| m.name == "forward") {
        None => {
            quote! { #s { model: #what, args: &[], ret: ::mlx_runtime::__private::SigType::Cache } }
        }
        Some(m) => {
            let args = m.args.iter().map(|a| {
                let (n, t) = (a.name.to_string(), sig_type(&a.ty));
                quote! { (#n, #t) }
            });
            let ret = match &m.ret {
                t @ (Ty::Tensor(..) | Ty::Tuple(_)) => sig_type(t),
                _ => quote! { ::mlx_runtime::__private::SigType::Cache },
            };
            quote! { #s { model: #what, args: &[#(#args),*], ret: #ret } }
        }
    }
}

fn weight_name(f: &Field) -> String {
    f.weights
        .as_ref()
        .map_or_else(|| f.name.to_string(), |w| w.value())
}

/// The path of a field's tensors.
fn path(f: &Field) -> TokenStream {
    let name = weight_name(f);
    quote! { &::mlx_runtime::__private::join(__path, #name) }
}

fn build(model: &ModelDef, joins: &[Vec<Ident>]) -> TokenStream {
    let what = model.item.ident.to_string();
    let size = |d: &crate::dims::Dim| {
        let e = dim(d, |n| {
            let field = crate::lower::config_field(n);
            quote! { (__c.#field as i64) }
        });
        let text = model.names.dim(d);
        quote! { ::mlx_runtime::__private::LoadDim::new(#text, #e) }
    };
    let requires = model.requires.iter().map(|e| {
        let (text, cond) = (pretty(e), condition(e));
        let values = names_in(e).into_iter().map(|n| {
            let text = n.to_string();
            quote! { (#text, ::mlx_runtime::__private::show(&__c.#n)) }
        });
        quote! { __loader.require(#what, #text, #cond, &[#(#values),*]); }
    });
    let fields = model.fields.iter().map(|f| {
        let (name, path, frozen, lora) = (&f.name, path(f), f.frozen, f.lora);
        let ty = &f.ty;
        let value = match &f.kind {
            FieldKind::Linear { out, input, bias } => {
                let (out, input) = (size(out), size(input));
                let bias = bias.as_ref().map_or_else(|| quote! { false }, config_expr);
                let tied = match &f.tied {
                    None => quote! { false },
                    Some(t) => t.when.as_ref().map_or_else(|| quote! { true }, config_expr),
                };
                quote! { __loader.linear(#path, #out, #input, #bias, #tied, #lora, #frozen) }
            }
            FieldKind::Embedding { rows, dim } => {
                let (rows, dim) = (size(rows), size(dim));
                quote! { __loader.embedding(#path, #rows, #dim, #frozen) }
            }
            FieldKind::RmsNorm { dim, eps } => {
                let (dim, eps) = (size(dim), config_expr(eps));
                quote! { __loader.rms_norm(#path, #dim, (#eps) as f32, #frozen) }
            }
            FieldKind::Rope { dims, base, traditional, scaling } => {
                let (dims, base, traditional) = (size(dims), config_expr(base), config_expr(traditional));
                let scaling = scaling.as_ref().map_or_else(
                    || quote! { ::core::option::Option::None },
                    |s| {
                        let s = config_expr(s);
                        quote! { #s.as_ref() }
                    },
                );
                quote! { __loader.rope(#path, #dims, (#base) as f32, #traditional, #scaling) }
            }
            FieldKind::Param { shape } => {
                let shape = shape.iter().map(size);
                quote! { __loader.param(#path, &[#(#shape),*], #frozen) }
            }
            FieldKind::Layers { count, model, .. } => {
                let count = size(count);
                quote! { __loader.layers(#path, #count, |__p, __l| <#model as ::mlx_runtime::model::Model>::build(__config, __p, __l)) }
            }
            FieldKind::Model => quote! { <#ty as ::mlx_runtime::model::Model>::build(__config, #path, __loader) },
        };
        quote! { let mut #name: #ty = #value; }
    });
    let joined = joins.iter().map(|fields| {
        let key = join_key(fields);
        // Local variables are hygienic: they must be the struct's own tokens, not the impl's.
        // Their order is the group's, in which the product is split again.
        let fields = fields
            .iter()
            .filter_map(|n| model.fields.iter().map(|f| &f.name).find(|m| *m == n));
        quote! { __mlx.join(#key, __loader, &mut [#(&mut #fields),*]); }
    });
    let names = model.fields.iter().map(|f| &f.name);
    quote! {
        let __c = &**__config;
        #(#requires)*
        #(#fields)*
        let mut __mlx = ::mlx_runtime::__private::Meta::new(__config, __loader);
        #(#joined)*
        Self { #(#names,)* __mlx }
    }
}

fn visit(f: &Field, mutable: bool) -> TokenStream {
    let (name, path) = (&f.name, path(f));
    let (call, leaf, amp) = if mutable {
        (
            quote!(visit_mut),
            quote!(::mlx_runtime::model::LeafMut),
            quote!(&mut),
        )
    } else {
        (quote!(visit), quote!(::mlx_runtime::model::Leaf), quote!(&))
    };
    let variant = match &f.kind {
        FieldKind::Linear { .. } => quote!(Linear),
        FieldKind::Embedding { .. } => quote!(Embedding),
        FieldKind::RmsNorm { .. } => quote!(RmsNorm),
        FieldKind::Param { .. } => quote!(Param),
        FieldKind::Rope { .. } => return quote! {},
        FieldKind::Model => {
            return quote! { ::mlx_runtime::model::Model::#call(#amp self.#name, #path, __f); }
        }
        FieldKind::Layers { .. } => {
            return quote! {
                for (__i, __layer) in (#amp self.#name).into_iter().enumerate() {
                    ::mlx_runtime::model::Model::#call(__layer, &::mlx_runtime::__private::index(#path, __i), __f);
                }
            }
        }
    };
    quote! { __f(#path, #leaf::#variant(#amp self.#name)); }
}

/// A condition on the config; a remainder or quotient by zero makes it false instead of panicking.
fn condition(e: &syn::Expr) -> TokenStream {
    use syn::visit_mut::{self, VisitMut};
    struct Checked;
    impl VisitMut for Checked {
        fn visit_expr_mut(&mut self, e: &mut syn::Expr) {
            visit_mut::visit_expr_mut(self, e);
            let syn::Expr::Binary(b) = e else { return };
            let (l, r) = (config_expr(&b.left), config_expr(&b.right));
            match b.op {
                syn::BinOp::Rem(_) => {
                    *e = syn::Expr::Verbatim(
                        quote! { ::mlx_runtime::__private::remainder((#l) as i64, (#r) as i64) },
                    );
                }
                syn::BinOp::Div(_) => {
                    *e = syn::Expr::Verbatim(
                        quote! { ::mlx_runtime::__private::quotient((#l) as i64, (#r) as i64) },
                    );
                }
                syn::BinOp::Add(_) => *e = saturating("saturating_add", l, r),
                syn::BinOp::Sub(_) => *e = saturating("saturating_sub", l, r),
                syn::BinOp::Mul(_) => *e = saturating("saturating_mul", l, r),
                _ => {}
            }
        }
    }
    fn saturating(op: &str, l: TokenStream, r: TokenStream) -> syn::Expr {
        let op = Ident::new(op, Span::call_site());
        syn::Expr::Verbatim(quote! { ((#l) as i64).#op((#r) as i64) })
    }
    let mut e = e.clone();
    Checked.visit_expr_mut(&mut e);
    config_expr(&e)
}

/// A condition as the user would write it.
fn pretty(e: &syn::Expr) -> String {
    e.to_token_stream().to_string()
}

/// The config fields in a condition.
fn names_in(e: &syn::Expr) -> Vec<Ident> {
    use syn::visit::Visit;
    struct Names(Vec<Ident>);
    impl Visit<'_> for Names {
        fn visit_path(&mut self, p: &syn::Path) {
            if let Some(i) = p.get_ident() {
                if !self.0.contains(i) && i != "config" {
                    self.0.push(i.clone());
                }
            }
        }
    }
    let mut names = Names(Vec::new());
    names.visit_expr(e);
    names.0
}
