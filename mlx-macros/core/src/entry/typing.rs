//! Completes bodies that the user is typing, so that they parse: names behind a dot, values behind an operator, and
//! semicolons before the next statement.
//!
//! Tests: unit tests below; `mlx-tests --test editor`.

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};

/// The name that stands where none is written yet. rust-analyzer has one of its own.
const UNWRITTEN: &str = "__mlx_unwritten";
const OF_THE_ANALYZER: &str = "__ra_fixup";

/// Words before which a statement does not end, and behind which a value stands.
const OPEN: &[&str] = &[
    "as", "else", "fn", "for", "if", "in", "let", "mut", "pub", "ref", "return", "while",
];
/// Words that go on with an expression.
const ON: &[&str] = &["as", "else", "in"];

/// True if a name is missing in the tokens.
pub(super) fn is_unwritten(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|t| match t {
        TokenTree::Group(g) => is_unwritten(&g.stream()),
        TokenTree::Ident(i) => i == UNWRITTEN || i == OF_THE_ANALYZER,
        _ => false,
    })
}

/// The struct and the impl of a model, or a function, with the bodies completed.
pub(super) fn repaired(input: &TokenStream) -> TokenStream {
    let mut all: Vec<TokenTree> = input.clone().into_iter().collect();
    let is_impl = all
        .iter()
        .any(|t| matches!(t, TokenTree::Ident(i) if i == "impl"));
    let Some(TokenTree::Group(last)) = all.pop() else {
        return input.clone();
    };
    let methods = last.stream().into_iter().map(|t| match t {
        TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
            regrouped(&body, completed(body.stream(), true))
        }
        other => other,
    });
    let inside = match is_impl {
        true => methods.collect(),
        false => completed(last.stream(), true),
    };
    all.push(regrouped(&last, inside));
    all.into_iter().collect()
}

fn regrouped(g: &Group, stream: TokenStream) -> TokenTree {
    let mut new = Group::new(g.delimiter(), stream);
    new.set_span(g.span());
    new.into()
}

/// The tokens of a body, or of a group inside of it. In braces statements end.
fn completed(tokens: TokenStream, braces: bool) -> TokenStream {
    let mut out: Vec<TokenTree> = Vec::new();
    for t in tokens {
        if let Some(last) = out.last() {
            if lacks_a_name(last, out.len().checked_sub(2).map(|i| &out[i]), Some(&t)) {
                out.push(unwritten(last.span()));
            }
        }
        if let Some(last) = out.last() {
            if braces && ends(last) && begins(&t) {
                let mut semicolon = Punct::new(';', Spacing::Alone);
                semicolon.set_span(last.span());
                out.push(semicolon.into());
            }
        }
        out.push(match t {
            TokenTree::Group(g) => {
                let inner = completed(g.stream(), g.delimiter() == Delimiter::Brace);
                regrouped(&g, inner)
            }
            other => other,
        });
    }
    if let Some(last) = out.last() {
        if lacks_a_name(last, out.len().checked_sub(2).map(|i| &out[i]), None) {
            out.push(unwritten(last.span()));
        }
    }
    out.into_iter().collect()
}

fn unwritten(at: Span) -> TokenTree {
    Ident::new(UNWRITTEN, at).into()
}

/// True if a name or a value must stand between a token and the next one.
fn lacks_a_name(last: &TokenTree, before: Option<&TokenTree>, next: Option<&TokenTree>) -> bool {
    let TokenTree::Punct(p) = last else {
        return false;
    };
    let dot = |t: Option<&TokenTree>| matches!(t, Some(TokenTree::Punct(p)) if p.as_char() == '.');
    let name = match next {
        None => true,
        Some(TokenTree::Ident(i)) => i == "let" || i == "for" || i == "if",
        Some(TokenTree::Punct(p)) => matches!(p.as_char(), ';' | ',' | '*' | '+' | '/' | '='),
        Some(TokenTree::Group(_)) => p.as_char() == '.',
        Some(TokenTree::Literal(_)) => false,
    };
    match p.as_char() {
        '.' => name && !dot(before) && !dot(next),
        '=' | '+' | '-' | '*' | '/' => match next {
            None => true,
            Some(TokenTree::Punct(p)) => p.as_char() == ';' || p.as_char() == ',',
            Some(TokenTree::Ident(i)) => i == "let" || i == "for",
            _ => false,
        },
        _ => false,
    }
}

/// True if a statement may end with this token.
fn ends(t: &TokenTree) -> bool {
    match t {
        TokenTree::Ident(i) => !OPEN.contains(&i.to_string().as_str()),
        TokenTree::Literal(_) => true,
        TokenTree::Group(g) => g.delimiter() != Delimiter::Brace,
        TokenTree::Punct(_) => false,
    }
}

/// True if this token begins a statement, and cannot go on with one.
fn begins(t: &TokenTree) -> bool {
    match t {
        TokenTree::Ident(i) => !ON.contains(&i.to_string().as_str()),
        TokenTree::Literal(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_body_parses_and_is_known_as_such() {
        for body in [
            "self.",
            "let y = self. let z = y; z",
            "let y = ; y",
            "let y = x + ; y",
            "let y = x.resh let z = y; z",
            "h = x y = h; y",
            "x.reshape([B, config.])",
            "for layer in self. { h = layer(h); } h",
            "if config. { h = x; } h",
        ] {
            let text = format!("{{}} {{}} impl A {{ fn forward(&self) -> B {{ {body} }} }}");
            let Ok(tokens) = text.parse::<TokenStream>() else {
                continue;
            };
            let tokens = repaired(&tokens);
            let item: TokenStream = tokens.into_iter().skip(2).collect();
            let parsed = syn::parse2::<syn::ItemImpl>(item.clone());
            assert!(parsed.is_ok(), "{item}");
        }
    }

    #[test]
    fn a_whole_body_stays_as_it_is() {
        let body = "let (a, b) = x.split(2, -1); for t in 0..L { h += a[t] * 2.0; } if config.f { h = b; } else { h = -a; } h";
        let text = format!("{{}} {{}} impl A {{ fn forward(&self) -> B {{ {body} }} }}");
        let tokens: TokenStream = text.parse().unwrap();
        assert_eq!(repaired(&tokens).to_string(), tokens.to_string());
    }
}
