//! Reads conditions on the config: in `#[require]`, of optional layers, and of `if` in bodies.
//!
//! Conditions are computed in f64 because nothing overflows there, and a remainder by zero is NaN, which equals
//! nothing.
//!
//! Tests: unit tests below; `tests/planted.rs`.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, BinOp, Expr, Lit, Member, UnOp};

use crate::diag::{Diag, Result};
use crate::syntax::dims::{is_free, Dim, Quotient};
use crate::syntax::literals;
use crate::syntax::logic::Facts;

/// The way a condition names a field of the config.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// In attributes: `flag`.
    Bare,
    /// In bodies, where a bare name is a variable: `config.flag`.
    Config,
}

/// Refuses what is not a condition on the config.
pub fn check(e: &Expr, names: Names) -> Result<()> {
    let at = e.span();
    match e {
        Expr::Paren(p) => check(&p.expr, names),
        Expr::Group(g) => check(&g.expr, names),
        Expr::Unary(u) if matches!(u.op, UnOp::Not(_) | UnOp::Neg(_)) => check(&u.expr, names),
        Expr::Binary(b) if matches!(b.op, BinOp::Div(_) | BinOp::Rem(_)) && is_zero(&b.right) => {
            Err(Diag::condition_divisor(b.right.span()))
        }
        Expr::Binary(b) if chosen(b).is_some() => match chosen(b) {
            Some((place, _)) if is_place(place, names) => Ok(()),
            _ => Err(Diag::choice_of_place(at)),
        },
        Expr::Binary(b) if meant(&b.op) => check(&b.left, names).and(check(&b.right, names)),
        Expr::Lit(l) if matches!(l.lit, Lit::Int(_) | Lit::Float(_) | Lit::Bool(_)) => Ok(()),
        Expr::Path(p) if p.path.is_ident("layer") || is_index(e) => Ok(()),
        place if is_place(place, names) => Ok(()),
        Expr::Path(p) if is_constant(&p.path) => Ok(()),
        Expr::Path(p) => match p.path.get_ident().filter(|_| names == Names::Config) {
            Some(name) => Err(Diag::condition_variable(at, name)),
            None => Err(Diag::not_a_condition(at)),
        },
        Expr::Field(_) | Expr::Index(_) => Err(Diag::condition_field(at)),
        Expr::MethodCall(m)
            if m.args.is_empty() && (m.method == "is_some" || m.method == "is_none") =>
        {
            check(&m.receiver, names)
        }
        _ => Err(Diag::not_a_condition(at)),
    }
}

/// True for a field of the config, of a config inside of it, and an element of a list of these:
/// `config.vision.hidden`, `config.layer_types[layer]`.
pub fn is_place(e: &Expr, names: Names) -> bool {
    match e {
        Expr::Path(p) => names == Names::Bare && is_field(&p.path) && !is_constant(&p.path),
        Expr::Field(f) => match (&*f.base, &f.member) {
            (Expr::Path(p), Member::Named(_)) if p.path.is_ident("config") => true,
            (base, _) => is_place(base, names),
        },
        Expr::Index(i) => is_place(&i.expr, names) && is_element(&i.index),
        Expr::Paren(p) => is_place(&p.expr, names),
        Expr::Group(g) => is_place(&g.expr, names),
        _ => false,
    }
}

/// The index of an element: a number, the layer, or the variable that counts the layers of a loop.
fn is_element(e: &Expr) -> bool {
    match bare(e) {
        Expr::Path(p) => p.path.is_ident("layer") || is_index(bare(e)),
        other => literals::integer(other).is_some_and(|n| n >= 0),
    }
}

/// True for the name of a Rust constant: a path, or a name in capitals.
pub fn is_constant(path: &syn::Path) -> bool {
    match path.get_ident() {
        None => path.segments.len() > 1,
        Some(name) => {
            let name = name.to_string();
            name.len() > 1
                && name.starts_with(|c: char| c.is_ascii_uppercase())
                && !name.contains(|c: char| c.is_ascii_lowercase())
        }
    }
}

/// True if an element of a list is read.
pub fn has_element(e: &Expr) -> bool {
    match e {
        Expr::Index(_) => true,
        Expr::Field(f) => has_element(&f.base),
        Expr::Paren(p) => has_element(&p.expr),
        Expr::Group(g) => has_element(&g.expr),
        _ => false,
    }
}

/// The two sides of a comparison with a text or with a variant of an enum.
pub fn chosen(b: &syn::ExprBinary) -> Option<(&Expr, &Expr)> {
    let value = |e: &Expr| match bare(e) {
        Expr::Lit(l) => matches!(l.lit, Lit::Str(_)),
        Expr::Path(p) => p.path.segments.len() > 1,
        _ => false,
    };
    match b.op {
        BinOp::Eq(_) | BinOp::Ne(_) if value(&b.right) => Some((bare(&b.left), bare(&b.right))),
        BinOp::Eq(_) | BinOp::Ne(_) if value(&b.left) => Some((bare(&b.right), bare(&b.left))),
        _ => None,
    }
}

/// The functions of numbers: the language's name, Rust's, and how many numbers they take.
const FUNCTIONS: &[(&str, &str, usize)] = &[
    ("abs", "abs", 1),
    ("ceil", "ceil", 1),
    ("cos", "cos", 1),
    ("exp", "exp", 1),
    ("floor", "floor", 1),
    ("log", "ln", 1),
    ("log10", "log10", 1),
    ("log2", "log2", 1),
    ("max", "max", 2),
    ("maximum", "max", 2),
    ("min", "min", 2),
    ("minimum", "min", 2),
    ("power", "powf", 2),
    ("reciprocal", "recip", 1),
    ("sin", "sin", 1),
    ("sqrt", "sqrt", 1),
    ("tan", "tan", 1),
    ("tanh", "tanh", 1),
];

/// A function of numbers as a method of `f64`, and its arguments: `sqrt(x)`, `x.sqrt()` or `x.powf(y)`.
pub fn function(e: &Expr) -> Option<(&'static str, Vec<&Expr>)> {
    let (name, args): (String, Vec<&Expr>) = match e {
        Expr::Call(c) => match &*c.func {
            Expr::Path(p) => (p.path.get_ident()?.to_string(), c.args.iter().collect()),
            _ => return None,
        },
        Expr::MethodCall(m) => {
            let args = std::iter::once(&*m.receiver).chain(&m.args);
            (m.method.to_string(), args.collect())
        }
        _ => return None,
    };
    let own = |(ours, rust, _): &&(&str, &str, usize)| name == *ours || name == *rust;
    let (_, rust, takes) = FUNCTIONS.iter().find(own)?;
    (args.len() == *takes).then_some((rust, args))
}

fn is_zero(e: &Expr) -> bool {
    matches!(e, Expr::Lit(_)) && literals::literal(e) == Some(0.0)
}

/// Refuses what is not a number of the config: a literal, a field, or a sum or product of these.
pub fn check_number(e: &Expr) -> Result<()> {
    match e {
        Expr::Paren(p) => check_number(&p.expr),
        Expr::Group(g) => check_number(&g.expr),
        Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => check_number(&u.expr),
        Expr::Binary(b)
            if matches!(
                b.op,
                BinOp::Add(_) | BinOp::Sub(_) | BinOp::Mul(_) | BinOp::Div(_)
            ) =>
        {
            check_number(&b.left).and(check_number(&b.right))
        }
        Expr::Lit(l) if matches!(l.lit, Lit::Int(_) | Lit::Float(_)) => literals::in_f32(e),
        place if is_place(place, Names::Bare) => Ok(()),
        Expr::Path(p) if is_constant(&p.path) => Ok(()),
        other => match function(other) {
            Some((_, args)) => args.into_iter().try_for_each(check_number),
            None => Err(Diag::expected_number(e.span())),
        },
    }
}

/// True if a path can name a field.
pub fn is_field(path: &syn::Path) -> bool {
    path.get_ident().is_some_and(|i| !is_keyword(i))
}

/// True for the keywords of paths, which name no field and no function.
pub fn is_keyword(name: &Ident) -> bool {
    ["self", "Self", "super", "crate"].iter().any(|w| name == w)
}

/// The operators that conditions know.
fn meant(op: &BinOp) -> bool {
    use BinOp::{Add, And, Div, Eq, Ge, Gt, Le, Lt, Mul, Ne, Or, Rem, Sub};
    matches!(
        op,
        Add(_)
            | And(_)
            | Div(_)
            | Eq(_)
            | Ge(_)
            | Gt(_)
            | Le(_)
            | Lt(_)
            | Mul(_)
            | Ne(_)
            | Or(_)
            | Rem(_)
            | Sub(_)
    )
}

/// The expression with a mark at each field that is an `Option` for which the `facts`, or an
/// earlier part of the condition itself, say that it is there.
pub fn guarded(e: &Expr, facts: &Facts) -> Expr {
    struct Guard(Facts);
    impl VisitMut for Guard {
        fn visit_expr_mut(&mut self, e: &mut Expr) {
            if let Expr::MethodCall(_) = e {
                return;
            }
            if let Expr::Binary(b) = e {
                let more = match b.op {
                    BinOp::And(_) => self.0.and(&b.left, true),
                    BinOp::Or(_) => self.0.and(&b.left, false),
                    _ => return visit_mut::visit_expr_mut(self, e),
                };
                self.visit_expr_mut(&mut b.left);
                let around = std::mem::replace(&mut self.0, more);
                self.visit_expr_mut(&mut b.right);
                self.0 = around;
                return;
            }
            let there = matches!(e, Expr::Field(_) | Expr::Path(_)) && self.0.is_there(&text(e));
            let attrs = match e {
                Expr::Field(f) => &mut f.attrs,
                Expr::Path(p) => &mut p.attrs,
                other => return visit_mut::visit_expr_mut(self, other),
            };
            if there && attrs.is_empty() {
                attrs.push(mark());
            }
        }
    }
    let mut e = e.clone();
    Guard(facts.clone()).visit_expr_mut(&mut e);
    e
}

/// The expression with a mark at the variable that counts the layers of a loop.
pub fn indexed(e: &Expr, index: Option<&Ident>) -> Expr {
    struct Mark<'a>(&'a Ident);
    impl VisitMut for Mark<'_> {
        fn visit_expr_path_mut(&mut self, p: &mut syn::ExprPath) {
            if p.path.is_ident(self.0) && p.attrs.is_empty() {
                p.attrs.push(syn::parse_quote!(#[index]));
            }
        }
    }
    let mut e = e.clone();
    if let Some(index) = index {
        Mark(index).visit_expr_mut(&mut e);
    }
    e
}

/// A size as a number. Free dims are marked, because a name alone is a field of the config or an argument.
pub fn size_as_number(d: &Dim) -> Expr {
    let product = |names: &[String], c: i64| -> Expr {
        let c = proc_macro2::Literal::i64_unsuffixed(c.abs());
        names.iter().fold(syn::parse_quote!(#c), |all: Expr, name| {
            let factor = match Quotient::of(name) {
                Some(q) => {
                    let (of, by) = (size_as_number(&q.of), size_as_number(&q.divisor()));
                    syn::parse_quote!((#of / #by))
                }
                None => {
                    let path: Expr = syn::parse_str(name).unwrap_or_else(|_| {
                        let field = Ident::new_raw(name, proc_macro2::Span::call_site());
                        syn::parse_quote!(#field)
                    });
                    match is_free(name) {
                        true => syn::parse_quote!(#[size] #path),
                        false => syn::parse_str(&format!("config.{}", path.to_token_stream()))
                            .unwrap_or(path),
                    }
                }
            };
            syn::parse_quote!(#all * #factor)
        })
    };
    let terms = d.terms().map(|(names, c)| (product(names, c), c < 0));
    let sum = terms.fold(None, |all: Option<Expr>, (term, negative)| {
        Some(match (all, negative) {
            (None, false) => term,
            (None, true) => syn::parse_quote!(-(#term)),
            (Some(all), false) => syn::parse_quote!(#all + #term),
            (Some(all), true) => syn::parse_quote!(#all - #term),
        })
    });
    let sum = sum.unwrap_or_else(|| syn::parse_quote!(0));
    syn::parse_quote!((#sum))
}

/// True for a free dim that is read as a number.
pub(crate) fn is_size(p: &syn::ExprPath) -> bool {
    p.attrs.iter().any(|a| a.path().is_ident("size"))
}

/// True for the variable that counts the layers of a loop.
pub(crate) fn is_index(e: &Expr) -> bool {
    matches!(e, Expr::Path(p) if p.attrs.iter().any(|a| a.path().is_ident("index")))
}

/// The place where a condition reads the number of this model among the layers around it.
pub fn own_layer(e: &Expr) -> Option<proc_macro2::Span> {
    use syn::visit::Visit;
    struct Find(Option<proc_macro2::Span>);
    impl Visit<'_> for Find {
        fn visit_expr_path(&mut self, p: &syn::ExprPath) {
            if p.path.is_ident("layer") && p.attrs.is_empty() {
                self.0 = Some(p.span());
            }
        }
    }
    let mut find = Find(None);
    find.visit_expr(e);
    find.0
}

fn mark() -> Attribute {
    syn::parse_quote!(#[guarded])
}

pub(crate) fn is_guarded(e: &Expr) -> bool {
    match e {
        Expr::Field(f) => f.attrs.iter().any(|a| a.path().is_ident("guarded")),
        Expr::Path(p) => p.attrs.iter().any(|a| a.path().is_ident("guarded")),
        _ => false,
    }
}

/// A condition in one spelling, with the config's fields bare and parentheses where they matter.
pub fn text(e: &Expr) -> String {
    let part = |e: &Expr, least: u8| match strength(bare(e)) < least {
        true => format!("({})", text(e)),
        false => text(e),
    };
    match bare(e) {
        Expr::Field(f) => {
            let member = f.member.to_token_stream();
            match bare(&f.base) {
                Expr::Path(p) if p.path.is_ident("config") => member.to_string(),
                base => format!("{}.{member}", text(base)),
            }
        }
        Expr::Index(i) => format!("{}[{}]", text(&i.expr), text(&i.index)),
        Expr::Path(p) => p.path.to_token_stream().to_string(),
        Expr::Unary(u) => format!("{}{}", u.op.to_token_stream(), part(&u.expr, 6)),
        Expr::Binary(b) => {
            let (own, op) = (strength(bare(e)), b.op.to_token_stream());
            format!("{} {op} {}", part(&b.left, own), part(&b.right, own + 1))
        }
        Expr::MethodCall(m) if m.args.is_empty() => {
            format!("{}.{}()", text(&m.receiver), m.method)
        }
        other => other.to_token_stream().to_string(),
    }
}

/// The precedence of an operator, as in Rust.
pub(crate) fn strength(e: &Expr) -> u8 {
    let Expr::Binary(b) = e else { return 6 };
    match b.op {
        BinOp::Mul(_) | BinOp::Div(_) | BinOp::Rem(_) => 5,
        BinOp::Add(_) | BinOp::Sub(_) => 4,
        BinOp::And(_) => 2,
        BinOp::Or(_) => 1,
        _ => 3,
    }
}

/// An expression without the parentheses around it.
pub(crate) fn bare(e: &Expr) -> &Expr {
    match e {
        Expr::Paren(p) => bare(&p.expr),
        Expr::Group(g) => bare(&g.expr),
        other => other,
    }
}

/// The config fields in a condition.
pub fn fields(e: &Expr) -> Vec<syn::Ident> {
    use syn::visit::Visit;
    struct Names(Vec<syn::Ident>);
    impl Visit<'_> for Names {
        fn visit_path(&mut self, p: &syn::Path) {
            if let Some(i) = p.get_ident().filter(|_| !is_constant(p)) {
                if !self.0.contains(i) && i != "config" && i != "layer" {
                    self.0.push(i.clone());
                }
            }
        }
    }
    let mut names = Names(Vec::new());
    names.visit_expr(e);
    names.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(s: &str) -> Expr {
        syn::parse_str(s).unwrap()
    }

    #[test]
    fn one_spelling_in_attributes_and_bodies() {
        assert_eq!(text(&e("config.qk_norm")), text(&e("qk_norm")));
        let body = e("(layer + 1) % config.pattern != 0 && config.window > 0");
        assert_eq!(text(&body), "(layer + 1) % pattern != 0 && window > 0");
        assert_ne!(text(&e("!(a || b)")), text(&e("!a || b")));
        assert_ne!(text(&e("a - (b - c) > 0")), text(&e("a - b - c > 0")));
        assert_eq!(text(&e("((a)) && (!(b))")), text(&e("a && !b")));
    }

    #[test]
    fn variables_are_no_conditions() {
        assert!(check(&e("config.flag && layer > 2"), Names::Config).is_ok());
        assert!(check(&e("x > 2"), Names::Config).is_err());
        assert!(check(&e("f(config.x)"), Names::Config).is_err());
        assert!(check(&e("layer & 1 == 0"), Names::Config).is_err());
    }
}
