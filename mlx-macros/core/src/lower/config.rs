//! Writes sizes, numbers and conditions of the config, which is `__c` in generated code.
//!
//! Tests: `mlx-tests --test language`, `mlx-tests --test ui`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned, ToTokens};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Expr, Lit, UnOp};

use crate::syntax::condition::{self, bare, is_guarded, strength};
use crate::syntax::logic::Facts;
use crate::syntax::names::Names;

/// The condition as Rust, true or false, where `__c` is the config and `layer` the number of the
/// layer.
pub fn tokens(e: &Expr, layer: &TokenStream) -> TokenStream {
    match e {
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
                BinOp::Div(_) => quote! { ::mlx_runtime::__private::divide(#l, #r) },
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
    quote_spanned! { at => ::mlx_runtime::__private::#of::#read(&#field) }
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
            quote! { (#l #op #r) }
        }
        Expr::Paren(p) => computed(&p.expr, layer, read),
        Expr::Group(g) => computed(&g.expr, layer, read),
        Expr::Cast(c) => computed(&c.expr, layer, read),
        Expr::Verbatim(_) => e.to_token_stream(),
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

/// A field of the config as a size, where `facts` say which optional ones are there.
pub fn config_size(names: &Names, name: &str, facts: &Facts) -> TokenStream {
    let field = names.config_field(name);
    let at = located(field.span());
    let there = facts.is_there(&field.to_string());
    size_of_field(&quote_spanned! { at => __c.#field }, at, there)
}

/// A field of the config as a size in an estimate, which nothing computes with.
pub fn estimated_size(names: &Names, name: &str) -> TokenStream {
    let field = names.config_field(name);
    let at = located(field.span());
    quote_spanned! { at => ::mlx_runtime::__private::estimated_whole(&__c.#field) }
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
                    if let Some(n) = p.path.get_ident().filter(|_| condition::is_field(&p.path)) {
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
