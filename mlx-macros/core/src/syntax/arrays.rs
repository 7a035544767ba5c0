//! Arrays of layers, `maps: [Linear; 2]`: a field for each element, named `maps_at_0` and so on, and bodies that name the
//! fields.
//!
//! A loop over an array is written once for each element, so that elements may have other graphs than each other.
//!
//! Tests: `tests/planted.rs`; `mlx-tests --test parts`.

use proc_macro2::{Group, Literal, Span, TokenStream, TokenTree};
use quote::format_ident;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprForLoop, Ident, ImplItem, ItemImpl, ItemStruct, Lit, Pat, Stmt, Type};

use crate::diag::{Diag, Result};
use crate::syntax::literals::integer;

/// The most elements of an array, because each is code of its own.
const MOST: i64 = 64;

/// The arrays of a struct, and their numbers of elements.
pub fn of(item: &ItemStruct) -> Vec<(Ident, usize)> {
    let counted = item.fields.iter().filter_map(|f| {
        let Type::Array(a) = &f.ty else { return None };
        Some((f.ident.clone()?, count(&a.len).ok()?))
    });
    counted.collect()
}

fn count(len: &Expr) -> Result<usize> {
    let n = integer(len).filter(|n| (1..=MOST).contains(n));
    let n = n.and_then(|n| usize::try_from(n).ok());
    n.ok_or_else(|| Diag::array_length(len.span(), MOST))
}

fn element(name: &Ident, i: usize) -> Ident {
    format_ident!("{name}_at_{i}", span = name.span())
}

/// The struct with a field for each element.
pub fn expand(item: &mut ItemStruct) -> Vec<Diag> {
    let mut errors = Vec::new();
    let syn::Fields::Named(fields) = &mut item.fields else {
        return errors;
    };
    let mut all = syn::punctuated::Punctuated::new();
    for f in std::mem::take(&mut fields.named) {
        let (Type::Array(a), Some(name)) = (&f.ty, &f.ident) else {
            all.push(f);
            continue;
        };
        let n = match count(&a.len) {
            Ok(n) => n,
            Err(e) => {
                errors.push(e);
                let mut one = f.clone();
                one.ty = (*a.elem).clone();
                all.push(one);
                continue;
            }
        };
        for i in 0..n {
            let mut one = f.clone();
            one.ident = Some(element(name, i));
            one.ty = (*a.elem).clone();
            let mut named = false;
            for attr in one
                .attrs
                .iter_mut()
                .filter(|a| a.path().is_ident("weights"))
            {
                if let syn::Meta::List(list) = &mut attr.meta {
                    list.tokens = numbered(list.tokens.clone(), i);
                    named = true;
                }
            }
            if !named {
                let text = format!("{name}.{i}");
                one.attrs.push(syn::parse_quote!(#[weights(#text)]));
            }
            all.push(one);
        }
    }
    fields.named = all;
    errors
}

/// Names in a checkpoint with the number of an element behind each.
fn numbered(tokens: TokenStream, i: usize) -> TokenStream {
    let token = |t: TokenTree| match t {
        TokenTree::Group(g) => {
            let mut new = Group::new(g.delimiter(), numbered(g.stream(), i));
            new.set_span(g.span());
            TokenTree::Group(new)
        }
        TokenTree::Literal(l) => match syn::parse2::<Lit>(TokenTree::from(l.clone()).into()) {
            Ok(Lit::Str(s)) => {
                let mut new = Literal::string(&format!("{}.{i}", s.value()));
                new.set_span(l.span());
                TokenTree::Literal(new)
            }
            _ => TokenTree::Literal(l),
        },
        other => other,
    };
    tokens.into_iter().map(token).collect()
}

/// The methods with fields in place of elements, and loops over arrays written out.
pub fn rewrite(methods: &mut ItemImpl, arrays: &[(Ident, usize)]) -> Vec<Diag> {
    let mut r = Rewrite {
        arrays,
        errors: Vec::new(),
    };
    for item in &mut methods.items {
        if let ImplItem::Fn(f) = item {
            r.visit_block_mut(&mut f.block);
        }
    }
    r.errors
}

struct Rewrite<'a> {
    arrays: &'a [(Ident, usize)],
    errors: Vec<Diag>,
}

impl Rewrite<'_> {
    /// The array that `self.maps`, or a reference to it, names.
    fn array(&self, e: &Expr) -> Option<&(Ident, usize)> {
        match e {
            Expr::Paren(p) => self.array(&p.expr),
            Expr::Reference(r) => self.array(&r.expr),
            Expr::Field(f) => match (&*f.base, &f.member) {
                (Expr::Path(p), syn::Member::Named(name)) if p.path.is_ident("self") => {
                    self.arrays.iter().find(|(n, _)| n == name)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The field that `self.maps[1]` names.
    fn element(&mut self, e: &Expr) -> Option<Ident> {
        let Expr::Index(i) = e else { return None };
        let (name, n) = self.array(&i.expr)?.clone();
        let at = integer(&i.index).and_then(|at| usize::try_from(at).ok());
        let Some(at) = at.filter(|at| *at < n) else {
            self.errors
                .push(Diag::array_element(i.index.span(), &name, n - 1));
            return Some(element(&name, 0));
        };
        let mut field = element(&name, at);
        field.set_span(i.expr.span());
        Some(field)
    }

    /// A loop over an array, once for each element.
    fn unrolled(&mut self, f: &ExprForLoop) -> Option<Vec<Stmt>> {
        let (over, counted) = match &*f.expr {
            Expr::MethodCall(m) if m.method == "enumerate" && m.args.is_empty() => {
                match &*m.receiver {
                    Expr::MethodCall(i) if i.method == "iter" => (&*i.receiver, true),
                    other => (other, true),
                }
            }
            Expr::MethodCall(m) if m.method == "iter" && m.args.is_empty() => (&*m.receiver, false),
            other => (other, false),
        };
        let (name, n) = self.array(over)?.clone();
        let (index, layer) = match (&*f.pat, counted) {
            (Pat::Ident(layer), false) => (None, &layer.ident),
            (Pat::Tuple(t), true) => match (t.elems.first(), t.elems.last()) {
                (Some(Pat::Ident(i)), Some(Pat::Ident(layer))) if t.elems.len() == 2 => {
                    (Some(&i.ident), &layer.ident)
                }
                _ => return None,
            },
            _ => return None,
        };
        let each = (0..n).map(|at| {
            let mut block = f.body.clone();
            let mut field = element(&name, at);
            field.set_span(layer.span());
            let mut one = One {
                layer,
                field,
                index,
                at,
            };
            one.visit_block_mut(&mut block);
            let attrs = vec![];
            let label = None;
            Stmt::Expr(
                Expr::Block(syn::ExprBlock {
                    attrs,
                    label,
                    block,
                }),
                None,
            )
        });
        Some(each.collect())
    }
}

impl VisitMut for Rewrite<'_> {
    fn visit_block_mut(&mut self, b: &mut Block) {
        let mut all = Vec::new();
        for s in std::mem::take(&mut b.stmts) {
            let unrolled = match &s {
                Stmt::Expr(Expr::ForLoop(f), _) => self.unrolled(f),
                _ => None,
            };
            all.extend(unrolled.unwrap_or_else(|| vec![s]));
        }
        b.stmts = all;
        visit_mut::visit_block_mut(self, b);
    }

    fn visit_expr_mut(&mut self, e: &mut Expr) {
        if let Expr::Call(c) = e {
            let func = c.func.clone();
            if let Some(field) = self.element(&func) {
                let args = &c.args;
                *e = call(&field, args, func.span());
            }
        }
        if let Some(field) = self.element(&e.clone()) {
            *e = syn::parse_quote!(self.#field);
        }
        visit_mut::visit_expr_mut(self, e);
    }
}

/// `self.maps_at_1(..)`.
fn call(field: &Ident, args: &syn::punctuated::Punctuated<Expr, syn::Token![,]>, at: Span) -> Expr {
    let this = Ident::new("self", at);
    syn::parse_quote!(#this.#field(#args))
}

/// The body of a loop for one element.
struct One<'a> {
    layer: &'a Ident,
    field: Ident,
    index: Option<&'a Ident>,
    at: usize,
}

impl VisitMut for One<'_> {
    fn visit_expr_mut(&mut self, e: &mut Expr) {
        match e {
            Expr::Call(c) if matches!(&*c.func, Expr::Path(p) if p.path.is_ident(self.layer)) => {
                *e = call(&self.field, &c.args, c.func.span());
            }
            Expr::MethodCall(m) if matches!(&*m.receiver, Expr::Path(p) if p.path.is_ident(self.layer)) =>
            {
                let field = &self.field;
                *m.receiver = syn::parse_quote!(self.#field);
            }
            Expr::Path(p) if self.index.is_some_and(|i| p.path.is_ident(i)) => {
                let mut at = Literal::usize_unsuffixed(self.at);
                at.set_span(p.span());
                *e = syn::parse_quote!(#at);
            }
            _ => {}
        }
        visit_mut::visit_expr_mut(self, e);
    }
}
