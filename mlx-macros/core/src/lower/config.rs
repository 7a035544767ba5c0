//! Writes sizes, numbers and conditions of the config, which is `__c` in generated code.
//!
//! Tests: `mlx-tests --test language`, `mlx-tests --test ui`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned, ToTokens};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Expr, Lit, UnOp};

use crate::syntax::condition::{self, bare, is_guarded, strength};
use crate::syntax::dims::config_field;
use crate::syntax::logic::Facts;
use crate::syntax::names::Names;

/// The condition as Rust, true or false, where `__c` is the config and `layer` the number of the
/// layer.
pub fn tokens(e: &Expr, layer: &TokenStream) -> TokenStream {
    match e {
        Expr::Binary(b) if condition::chosen(b).is_some() => choice(b, layer),
        Expr::MethodCall(m) if condition::has_element(&m.receiver) => {
            let (place, method) = (element(&m.receiver, layer), &m.method);
            quote! { #place.is_some_and(|__p| __p.#method()) }
        }
        other if condition::has_element(other) => {
            let place = element(other, layer);
            quote! { #place.is_some_and(|__p| *__p) }
        }
        Expr::Paren(p) => {
            let inner = tokens(&p.expr, layer);
            quote! { (#inner) }
        }
        Expr::Group(g) => tokens(&g.expr, layer),
        Expr::Unary(u) if matches!(u.op, UnOp::Not(_)) => {
            let inner = tokens(&u.expr, layer);
            quote! { !(#inner) }
        }
        Expr::Binary(b) => match b.op {
            BinOp::And(_) | BinOp::Or(_) => {
                let (l, op, r) = (tokens(&b.left, layer), &b.op, tokens(&b.right, layer));
                quote! { ((#l) #op (#r)) }
            }
            BinOp::Eq(_) | BinOp::Ne(_) if is_flag(&b.left) || is_flag(&b.right) => {
                let (l, op, r) = (tokens(&b.left, layer), &b.op, tokens(&b.right, layer));
                quote! { ((#l) #op (#r)) }
            }
            _ => {
                let (l, op, r) = (counted(&b.left, layer), &b.op, counted(&b.right, layer));
                quote! { (#l #op #r) }
            }
        },
        other => config_expr(other),
    }
}

/// A comparison with a text, or with a variant of an enum.
fn choice(b: &syn::ExprBinary, layer: &TokenStream) -> TokenStream {
    let Some((place, value)) = condition::chosen(b) else {
        return quote! { false };
    };
    let place = match condition::has_element(place) {
        true => element(place, layer),
        false => {
            let (place, at) = (config_expr(place), located(place.span()));
            quote_spanned! { at => ::core::option::Option::Some(&#place) }
        }
    };
    let at = located(value.span());
    let is = match value {
        Expr::Path(p) => quote_spanned! { at => ::core::matches!(__p, #p) },
        text => quote_spanned! { at => __rt::Text::is(__p, #text) },
    };
    match b.op {
        BinOp::Ne(_) => quote! { (!#place.is_some_and(|__p| #is)) },
        _ => quote! { #place.is_some_and(|__p| #is) },
    }
}

/// A field of the config or an element of it, as an `Option`: an element may be beyond the end.
pub fn element(e: &Expr, layer: &TokenStream) -> TokenStream {
    let inner = |base: &Expr| match condition::has_element(base) {
        true => element(base, layer),
        false => {
            let base = config_expr(base);
            quote! { ::core::option::Option::Some(&#base) }
        }
    };
    match e {
        Expr::Paren(p) => element(&p.expr, layer),
        Expr::Group(g) => element(&g.expr, layer),
        Expr::Index(i) => {
            let base = inner(&i.expr);
            let at = match bare(&i.index) {
                Expr::Path(_) if condition::is_index(bare(&i.index)) => quote! { __index },
                Expr::Path(_) => quote! { #layer },
                number => number.to_token_stream(),
            };
            quote! { #base.and_then(|__p| __p.get(#at)) }
        }
        Expr::Field(f) => {
            let (base, member) = (inner(&f.base), &f.member);
            quote! { #base.map(|__p| &__p.#member) }
        }
        other => inner(other),
    }
}

/// True if an expression is true or false by its form alone.
fn is_flag(e: &Expr) -> bool {
    match bare(e) {
        Expr::Lit(l) => matches!(l.lit, Lit::Bool(_)),
        Expr::Unary(u) => matches!(u.op, UnOp::Not(_)),
        Expr::MethodCall(_) => true,
        Expr::Binary(b) => strength(&Expr::Binary(b.clone())) <= 3,
        _ => false,
    }
}

/// A number in a condition: whole numbers divide as in Rust, without a rest.
fn counted(e: &Expr, layer: &TokenStream) -> TokenStream {
    match e {
        Expr::Paren(p) => counted(&p.expr, layer),
        Expr::Group(g) => counted(&g.expr, layer),
        Expr::Binary(b) => {
            let (l, op, r) = (counted(&b.left, layer), &b.op, counted(&b.right, layer));
            match op {
                BinOp::Div(_) => quote! { __rt::divide(#l, #r) },
                _ => quote! { (#l #op #r) },
            }
        }
        other => number(other, layer),
    }
}

/// A number of the config, of a literal or of both, as f64.
pub fn number(e: &Expr, layer: &TokenStream) -> TokenStream {
    computed(e, layer, &READ_NUMBER)
}

/// As [`number`], of whole fields of the config alone.
pub fn whole(e: &Expr, layer: &TokenStream) -> TokenStream {
    computed(e, layer, &READ_WHOLE)
}

/// The trait and its function that read a field, and those that read one which is known to be there.
type Read = [(&'static str, &'static str); 2];

const READ_NUMBER: Read = [("Number", "number"), ("GuardedNumber", "guarded_number")];

const READ_WHOLE: Read = [("Whole", "whole"), ("GuardedWhole", "guarded_whole")];

/// The call that reads the field `field` of the config as a size.
pub fn size_of_field(field: &TokenStream, at: Span, there: bool) -> TokenStream {
    read_field(field, at, READ_WHOLE[usize::from(there)])
}

fn read_field(field: &TokenStream, at: Span, (of, read): (&str, &str)) -> TokenStream {
    let (of, read) = (Ident::new(of, at), Ident::new(read, at));
    quote_spanned! { at => __rt::#of::#read(&#field) }
}

/// A number whose fields are read by one of these.
fn computed(e: &Expr, layer: &TokenStream, read: &Read) -> TokenStream {
    match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => literal(i.base10_parse()),
            Lit::Float(f) => literal(f.base10_parse()),
            other => {
                let at = located(other.span());
                read_field(&other.to_token_stream(), at, read[0])
            }
        },
        Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => {
            let inner = computed(&u.expr, layer, read);
            quote! { (-#inner) }
        }
        Expr::Binary(b) => {
            let (l, r) = (
                computed(&b.left, layer, read),
                computed(&b.right, layer, read),
            );
            let op = &b.op;
            // Whole numbers divide without a rest, as in Rust.
            match op {
                BinOp::Div(_) if read[0].0 == "Whole" => {
                    quote! { __rt::divide(#l, #r) }
                }
                _ => quote! { (#l #op #r) },
            }
        }
        other if condition::has_element(other) => {
            let place = element(other, layer);
            let at = located(other.span());
            let read = Ident::new(&format!("element_{}", read[0].1), at);
            quote_spanned! { at => (__rt::#read(#place) as f64) }
        }
        Expr::Call(_) | Expr::MethodCall(_) if condition::function(e).is_some() => {
            let (function, args) = condition::function(e).unwrap_or(("abs", vec![]));
            let mut args = args.into_iter().map(|a| computed(a, layer, read));
            let (x, function) = (args.next(), Ident::new(function, Span::call_site()));
            quote! { ::core::primitive::f64::#function(#x, #(#args),*) }
        }
        Expr::Paren(p) => computed(&p.expr, layer, read),
        Expr::Group(g) => computed(&g.expr, layer, read),
        Expr::Cast(c) => computed(&c.expr, layer, read),
        Expr::Verbatim(_) => e.to_token_stream(),
        Expr::Path(_) if condition::is_index(e) => quote! { (__index as f64) },
        Expr::Path(p) if p.path.is_ident("layer") => quote! { (#layer as f64) },
        other => {
            let (field, at) = (config_expr(other), located(other.span()));
            let value = read_field(&field, at, read[usize::from(is_guarded(other))]);
            quote! { (#value as f64) }
        }
    }
}

/// The names of generated code, at a place of the user's.
pub fn located(at: Span) -> Span {
    Span::call_site().located_at(at)
}

fn literal(n: syn::Result<f64>) -> TokenStream {
    match n {
        Ok(n) if n.is_finite() => n.to_token_stream(),
        _ => quote! { ::core::primitive::f64::INFINITY },
    }
}

fn of_config(n: &Ident) -> Expr {
    let at = located(n.span());
    Expr::Verbatim(quote_spanned! { at => __c.#n })
}

/// A constant of Rust as a size.
fn constant(name: &str) -> Option<TokenStream> {
    let path: syn::Path = syn::parse_str(name).ok().filter(|_| name.contains("::"))?;
    Some(quote! { (#path as i64) })
}

/// A field of the config as a size, where `facts` say which optional ones are there.
pub fn config_size(names: &Names, name: &str, facts: &Facts) -> TokenStream {
    if let Some(constant) = constant(name) {
        return constant;
    }
    let (field, at) = names.config_field(name);
    if let Some((holder, field)) = facts.holder(name) {
        let at = located(at);
        let (holder, field) = (config_field(holder, at), config_field(field, at));
        return quote_spanned! { at => __rt::element_whole(__c.#holder.as_ref().map(|__k| &__k.#field)) };
    }
    let (at, there) = (located(at), facts.is_there(name));
    size_of_field(&quote_spanned! { at => __c.#field }, at, there)
}

/// A field of the config as a size in an estimate, which nothing computes with.
pub fn estimated_size(names: &Names, name: &str) -> TokenStream {
    if let Some(constant) = constant(name) {
        return constant;
    }
    let (field, at) = names.config_field(name);
    let at = located(at);
    let holder = name.rsplit_once('.');
    if let Some((holder, field)) = holder.filter(|(h, _)| names.holders.borrow().contains(*h)) {
        let (holder, field) = (config_field(holder, at), config_field(field, at));
        return quote_spanned! { at => __c.#holder.as_ref().map_or(0, |__k| __rt::estimated_whole(&__k.#field)) };
    }
    quote_spanned! { at => __rt::estimated_whole(&__c.#field) }
}

/// A number of the config: `config.rope_theta` or the bare field name becomes a field access.
pub fn config_expr(e: &Expr) -> TokenStream {
    struct Rename;
    impl VisitMut for Rename {
        fn visit_expr_mut(&mut self, e: &mut Expr) {
            match e {
                Expr::Field(f) => {
                    if let (Expr::Path(p), syn::Member::Named(n)) = (&*f.base, &f.member) {
                        if p.path.is_ident("config") {
                            *e = of_config(n);
                            return;
                        }
                    }
                    visit_mut::visit_expr_mut(self, e);
                }
                Expr::Path(p) => {
                    if let Some(n) = p.path.get_ident().filter(|_| {
                        condition::is_field(&p.path) && !condition::is_constant(&p.path)
                    }) {
                        *e = of_config(n);
                    }
                }
                _ => visit_mut::visit_expr_mut(self, e),
            }
        }
    }
    let mut e = e.clone();
    Rename.visit_expr_mut(&mut e);
    e.to_token_stream()
}

/// A condition as the user would write it.
pub(crate) fn pretty(e: &syn::Expr) -> String {
    e.to_token_stream().to_string()
}
