//! Expands items that do not parse. rustc has reported the syntax error already: what is left of the item keeps the rest of
//! the crate from having more.
//!
//! Tests: `tests/one_message`.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, ToTokens};
use syn::{ImplItemFn, ItemImpl, ItemStruct};

use crate::syntax::signature::BROKEN;

/// The parts of an item that parse, marked as broken.
pub(super) enum Left {
    Struct(ItemStruct),
    Impl(ItemImpl),
}

/// The rest of a struct or an impl. `None` if the tokens are another item.
pub(super) fn left(item: &TokenStream) -> Option<Left> {
    let tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    let start = after_attributes(&tokens);
    let (head, body) = match tokens.split_last()? {
        (TokenTree::Group(g), head) if g.delimiter() == Delimiter::Brace => (head, g),
        _ => return None,
    };
    let word = |w: &str| head[start..].iter().take(5).any(|t| is_word(t, w));
    let head: TokenStream = head[start..].iter().cloned().collect();
    let mark = mark();
    if word("struct") {
        let fields = pieces(body.stream(), &[',', ';']);
        let fields = fields.into_iter().flat_map(|f| field(&f));
        return Some(Left::Struct(
            syn::parse2(quote! { #mark #head { #(#fields,)* } }).ok()?,
        ));
    }
    if !word("impl") {
        return None;
    }
    let methods = methods(body.stream());
    let mut item: ItemImpl = syn::parse2(quote! { #head {} }).ok()?;
    item.items = methods
        .into_iter()
        .filter_map(|m| method(&m))
        .map(syn::ImplItem::Fn)
        .collect();
    Some(Left::Impl(item))
}

fn mark() -> TokenStream {
    let broken = Ident::new(BROKEN, Span::call_site());
    quote! { #[#broken] }
}

fn is_word(t: &TokenTree, word: &str) -> bool {
    matches!(t, TokenTree::Ident(i) if i == word)
}

fn is_mark(t: &TokenTree, marks: &[char]) -> bool {
    matches!(t, TokenTree::Punct(p) if marks.contains(&p.as_char()))
}

/// The place behind the attributes at the start.
fn after_attributes(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|t| is_mark(t, &['#'])) {
        at += 2;
    }
    at.min(tokens.len())
}

/// The tokens between these marks.
fn pieces(tokens: TokenStream, marks: &[char]) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut depth = 0;
    let parted = tokens.split(|t| {
        depth += i32::from(is_mark(t, &['<'])) - i32::from(is_mark(t, &['>']));
        depth <= 0 && is_mark(t, marks)
    });
    parted
        .filter(|p| !p.is_empty())
        .map(<[TokenTree]>::to_vec)
        .collect()
}

/// A field that parses, without its attributes. Two fields without a comma between them are two.
fn field(tokens: &[TokenTree]) -> Vec<TokenStream> {
    let mut starts: Vec<usize> = tokens
        .iter()
        .enumerate()
        .filter(|(_, t)| is_mark(t, &[':']))
        .map(|(i, _)| i)
        .collect();
    starts.retain(|i| *i > 0);
    let named = starts.iter().filter_map(|at| match &tokens[at - 1] {
        TokenTree::Ident(name) => Some((name, &tokens[at + 1..])),
        _ => None,
    });
    let typed = named.filter_map(|(name, rest)| {
        let longest = (1..=rest.len())
            .rev()
            .map(|n| rest[..n].iter().cloned().collect::<TokenStream>());
        let ty = longest
            .filter_map(|t| syn::parse2::<syn::Type>(t).ok())
            .next()?;
        Some(quote! { #name: #ty })
    });
    typed.collect()
}

/// The methods of an impl: each ends with its body.
fn methods(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let (mut all, mut now) = (Vec::new(), Vec::new());
    for t in tokens {
        let ends = matches!(&t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
        let arguments = |t: &TokenTree| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Parenthesis);
        let whole = ends && now.iter().any(arguments);
        now.push(t);
        if whole {
            all.push(std::mem::take(&mut now));
        }
    }
    all
}

/// A method as it is, or with what is left of it.
fn method(tokens: &[TokenTree]) -> Option<ImplItemFn> {
    let whole: TokenStream = tokens.iter().cloned().collect();
    if let Ok(right) = syn::parse2(whole) {
        return Some(right);
    }
    let mark = mark();
    let (_, head) = tokens.split_last()?;
    let signature: TokenStream = head.iter().cloned().collect();
    if let Ok(right) = syn::parse2(quote! { #mark #signature {} }) {
        return Some(right);
    }
    let paren =
        |t: &TokenTree| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Parenthesis);
    let start = after_attributes(head);
    let at = start + head[start..].iter().position(paren)?;
    let (TokenTree::Group(args), Some(TokenTree::Ident(name))) = (&head[at], head[..at].last())
    else {
        return None;
    };
    let args = pieces(args.stream(), &[',']);
    let args = args
        .iter()
        .filter(|a| !a.iter().any(|t| is_word(t, "self")))
        .map(|a| argument(a));
    let results = head[at..].iter().filter(|t| is_word(t, "Tensor")).count();
    let result = match results {
        0 | 1 => quote! { _ },
        n => {
            let all = (0..n).map(|_| quote! { _ });
            quote! { (#(#all),*) }
        }
    };
    let vis = head[start..].first().filter(|t| is_word(t, "pub"));
    syn::parse2(quote! { #mark #vis fn #name(&self, #(#args),*) -> #result {} }).ok()
}

/// An argument as far as it is understood.
fn argument(tokens: &[TokenTree]) -> TokenStream {
    let name = tokens
        .iter()
        .find(|t| matches!(t, TokenTree::Ident(i) if i != "mut"));
    let name = name.map_or_else(|| quote! { _ }, ToTokens::to_token_stream);
    let ty = match tokens {
        all if all.iter().any(|t| is_word(t, "KvCache")) => quote! { &mut KvCache },
        all if all.iter().any(|t| is_word(t, "f32"))
            && !all.iter().any(|t| is_word(t, "Tensor")) =>
        {
            quote! { f32 }
        }
        _ => quote! { _ },
    };
    quote! { #name: #ty }
}

/// An error if rustc has none: a lint that rustc looks at last.
pub(super) fn guard(at: Span, text: &str) -> TokenStream {
    let tokens = quote! {
        #[deny(unused_must_use)]
        #[allow(dead_code, non_local_definitions)]
        const _: fn() = || {
            #[must_use = #text]
            struct Mistake;
            fn mistake() -> Mistake { Mistake }
            mistake();
        };
    };
    placed(tokens, at)
}

/// The tokens at one place of the user's source.
pub(crate) fn placed(tokens: TokenStream, at: Span) -> TokenStream {
    let token = |t: TokenTree| match t {
        TokenTree::Group(g) => {
            let mut new = Group::new(g.delimiter(), placed(g.stream(), at));
            new.set_span(at);
            TokenTree::Group(new)
        }
        mut other => {
            other.set_span(at);
            other
        }
    };
    tokens.into_iter().map(token).collect()
}
