//! Bounds the nesting of an item, because every phase recurses into expressions and a stack overflow would end rustc
//! or the editor.
//!
//! Tests: unit tests below.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::diag::{Diag, Result};

/// Tokens in a row without a `,`, a `;` or a block, together with those around them, of which a
/// group counts as [`GROUP`]. Written by hand, an expression has a few dozen. Walking over one that
/// is at the limit takes a megabyte or two of stack in a debug build.
const MOST: usize = 400;
const GROUP: usize = 4;

/// Refuses an item that is nested too deeply.
pub fn check(tokens: &TokenStream) -> Result<()> {
    // Groups to look at, with the tokens around each: no recursion here either.
    let mut todo: Vec<(TokenStream, usize)> = vec![(tokens.clone(), 0)];
    while let Some((stream, around)) = todo.pop() {
        let (mut row, mut tokens) = (0, stream.into_iter().peekable());
        while let Some(token) = tokens.next() {
            row += 1;
            if around + row > MOST {
                return Err(Diag::too_deep(token.span()));
            }
            match &token {
                TokenTree::Punct(p) if matches!(p.as_char(), ',' | ';' | '#') => row = 0,
                TokenTree::Group(g) => {
                    todo.push((g.stream(), around + row + GROUP));
                    let attribute = g.delimiter() == Delimiter::Bracket && row == 1;
                    let ends = g.delimiter() == Delimiter::Brace
                        && !matches!(tokens.peek(), Some(TokenTree::Ident(i)) if *i == "else");
                    if attribute || ends {
                        row = 0;
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> bool {
        check(&text.parse().unwrap()).is_ok()
    }

    #[test]
    fn long_expressions_are_refused_and_long_items_are_not() {
        assert!(!checked(&format!("x {}", ".relu()".repeat(400))));
        assert!(!checked(&format!("x {}", "+ x".repeat(500))));
        assert!(!checked(&format!(
            "{}x{}",
            "(".repeat(900),
            ")".repeat(900)
        )));
        assert!(!checked(&"if a { b } else ".repeat(300)));
        assert!(checked(
            &"fn f(x: Tensor![B]) -> Tensor![B] { let y = x; y }".repeat(300)
        ));
        assert!(checked(&"#[doc = \"text\"] a: Linear,".repeat(1000)));
        assert!(checked(&"let y = relu(x);".repeat(1000)));
        assert!(checked(&format!("[{}]", "1, 2,".repeat(1000))));
    }
}
