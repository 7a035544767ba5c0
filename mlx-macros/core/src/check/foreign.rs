//! Statements of Rust that the language lacks, and what to write.
//!
//! Tests: `tests/foreign.rs`; `mlx-tests --test ui`.

use syn::{Expr, Stmt};

use crate::check::build::compound;

/// True for an expression that gives a value.
pub(crate) fn is_value(e: &Expr) -> bool {
    let push = |m: &syn::ExprMethodCall| m.method == "push";
    match e {
        Expr::MethodCall(m) => !push(m),
        Expr::Binary(b) => compound(b).is_none(),
        Expr::Call(_) | Expr::Path(_) | Expr::Paren(_) | Expr::Tuple(_) | Expr::Unary(_) => true,
        Expr::Macro(m) => m.mac.path.is_ident("rearrange"),
        _ => false,
    }
}

/// A statement that the language lacks, and what to write.
pub(crate) fn foreign_statement(s: &Stmt) -> (String, &'static str) {
    let loops = "write `for layer in self.layers { .. }` or `for t in 0..L { .. }`";
    let (what, instead) = match s {
        Stmt::Expr(Expr::Return(_), _) => (
            "`return`",
            "the last expression, without `;`, is the result",
        ),
        Stmt::Expr(Expr::While(_), _) => ("`while`", loops),
        Stmt::Expr(Expr::Loop(_), _) => ("`loop`", loops),
        Stmt::Expr(Expr::Break(_), _) => ("`break`", "a loop runs all of its layers or positions"),
        Stmt::Expr(Expr::Continue(_), _) => (
            "`continue`",
            "write `if config.flag { .. }` around the rest of the loop",
        ),
        Stmt::Expr(Expr::Match(_), _) => (
            "`match`",
            "write `if config.field == .. { .. } else { .. }`",
        ),
        Stmt::Item(syn::Item::Fn(_)) => (
            "a function in a body",
            "write it beside the model, with `#[mlx_fn]`",
        ),
        Stmt::Item(_) => ("an item in a body", "write it outside of the model"),
        Stmt::Macro(m) => return foreign_macro(&m.mac),
        Stmt::Expr(Expr::Macro(m), _) => return foreign_macro(&m.mac),
        Stmt::Expr(Expr::Index(_), _) => (
            "an assignment to a part",
            "write `put_along_axis(x, indices, values, axis)` or `where_(mask, y, x)`",
        ),
        _ => (
            "this statement",
            "write `let y = ..;`, `h = ..;`, a loop over layers, or an `if` on the config",
        ),
    };
    (what.to_string(), instead)
}

/// A macro of Rust, and what to write.
pub(crate) fn foreign_macro(m: &syn::Macro) -> (String, &'static str) {
    let name = m
        .path
        .segments
        .last()
        .map(|s| s.ident.to_string())
        .unwrap_or_default();
    let instead = match name.as_str() {
        "assert" | "assert_eq" | "assert_ne" | "debug_assert" | "debug_assert_eq" | "ensure" => {
            "write `#[require(condition)]` on the struct"
        }
        "println" | "eprintln" | "print" | "dbg" | "trace" | "debug" | "info" => {
            "remove it, and look at the values where the model is called"
        }
        "panic" | "todo" | "unimplemented" | "unreachable" | "bail" => {
            "remove it: a body computes its result in every case"
        }
        _ => "write `rearrange!(..)` or operations",
    };
    (format!("`{name}!`"), instead)
}
