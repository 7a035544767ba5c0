//! Rewrites `rearrange!("b l (h d) -> b h l d", x, h = heads)` (Rogozhnikov 2022, "Einops") as a reshape, a
//! transposition and a reshape, so that later phases see nothing new.
//!
//! Tests: unit tests below; `mlx-tests --test language`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Expr, Ident, LitStr, Macro, Token};

use crate::check::build::Builder;
use crate::diag::{suggest, Diag, Result};
use crate::ir::{Arg, Id, Kind};
use crate::ops;
use crate::syntax::dims::{volume, Dim, Shape};
use crate::syntax::signature::{Dt, Ty};

struct Input {
    pattern: LitStr,
    value: Expr,
    sizes: Vec<(Ident, Expr)>,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let pattern = input.parse()?;
        input.parse::<Token![,]>()?;
        let value = input.parse()?;
        let mut sizes = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                let name = input.parse()?;
                input.parse::<Token![=]>()?;
                sizes.push((name, input.parse()?));
            }
        }
        Ok(Input {
            pattern,
            value,
            sizes,
        })
    }
}

/// One axis of a side: the names that are joined in it; none is an axis of size 1.
type Axis = Vec<String>;

/// Both sides of a pattern.
fn sides(pattern: &str, at: Span) -> Result<(Vec<Axis>, Vec<Axis>)> {
    let (left, right) = pattern
        .split_once("->")
        .ok_or_else(|| Diag::pattern_without_arrow(at))?;
    let (left, right) = (side(left, at)?, side(right, at)?);
    let names = |s: &[Axis]| {
        let mut all: Vec<String> = s.iter().flatten().cloned().collect();
        all.sort();
        all
    };
    let (a, b) = (names(&left), names(&right));
    if let Some(twice) = a.windows(2).chain(b.windows(2)).find(|w| w[0] == w[1]) {
        return Err(Diag::pattern_twice(at, &twice[0]));
    }
    let differs = a
        .iter()
        .find(|n| !b.contains(n))
        .map(|n| (n, "right"))
        .or_else(|| b.iter().find(|n| !a.contains(n)).map(|n| (n, "left")));
    match differs {
        Some((name, side)) => Err(Diag::pattern_missing(at, name, side)),
        None => Ok((left, right)),
    }
}

fn side(text: &str, at: Span) -> Result<Vec<Axis>> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let (mut axes, mut group): (Vec<Axis>, Option<Axis>) = (vec![], None);
    for word in spaced.split_whitespace() {
        match (word, &mut group) {
            ("(", None) => group = Some(vec![]),
            (")", Some(_)) => axes.extend(group.take()),
            ("(" | ")", _) => return Err(Diag::pattern_parentheses(at)),
            ("1", None) => axes.push(vec![]),
            ("1", Some(_)) => {}
            (name, group) => {
                if syn::parse_str::<Ident>(name).is_err() {
                    return Err(Diag::pattern_word(at, name));
                }
                match group {
                    Some(g) => g.push(name.to_string()),
                    None => axes.push(vec![name.to_string()]),
                }
            }
        }
    }
    match group {
        None => Ok(axes),
        Some(_) => Err(Diag::pattern_parentheses(at)),
    }
}

impl Builder<'_> {
    /// The value of a `rearrange!`.
    pub(crate) fn rearrange(&mut self, mac: &Macro) -> Result<Id> {
        let input: Input = mac.parse_body()?;
        let (at, span) = (input.pattern.span(), mac.span());
        let (left, right) = sides(&input.pattern.value(), at)?;
        let x = self.value(&input.value, None)?;
        let (shape, dtype) = match self.ty(x) {
            Ty::Tensor(s, d) => (s.clone(), *d),
            Ty::Unknown => return Ok(x),
            _ => return Err(Diag::expected_tensor(input.value.span(), self.describe(x))),
        };
        if shape.len() != left.len() {
            return Err(Diag::pattern_axes(at, left.len(), self.describe(x)));
        }
        let mut known = Vec::new();
        for (name, e) in &input.sizes {
            let names: Vec<&str> = left.iter().flatten().map(String::as_str).collect();
            if !names.contains(&name.to_string().as_str()) {
                let near = suggest(&name.to_string(), names);
                return Err(Diag::pattern_size(name.span(), name, near));
            }
            if known.iter().any(|(n, _)| *name == n) {
                return Err(Diag::pattern_size_twice(name.span(), name));
            }
            known.push((name.to_string(), self.dim(e)?));
        }
        for (axis, size) in left.iter().zip(&shape) {
            known.extend(self.sizes(axis, size, &known, (at, x))?);
        }
        let size = |name: &String| {
            let found = known.iter().find(|(n, _)| n == name);
            found.map_or_else(|| Dim::constant(1), |(_, d)| d.clone())
        };
        let split: Shape = left.iter().flatten().map(size).collect();
        let moved: Vec<&String> = right.iter().flatten().collect();
        let flat: Vec<&String> = left.iter().flatten().collect();
        let order: Vec<usize> = moved
            .iter()
            .filter_map(|n| flat.iter().position(|f| f == n))
            .collect();
        let joined: Shape = right
            .iter()
            .map(|axis| volume(&axis.iter().map(size).collect::<Vec<_>>()))
            .collect();
        let x = self.reshaped(x, split.clone(), dtype, (at, span))?;
        let x = match order.iter().enumerate().all(|(i, a)| i == *a) {
            true => x,
            false => {
                let shape = order.iter().map(|a| split[*a].clone()).collect();
                let axes = order.iter().map(|a| *a as i64).collect();
                self.known_op(
                    "transpose",
                    x,
                    Arg::Ints(axes),
                    Ty::Tensor(shape, dtype),
                    span,
                )
            }
        };
        self.reshaped(x, joined, dtype, (at, span))
    }

    fn reshaped(&mut self, x: Id, to: Shape, dtype: Dt, (at, span): (Span, Span)) -> Result<Id> {
        let ty = Ty::Tensor(to.clone(), dtype);
        if *self.ty(x) == ty {
            return Ok(x);
        }
        // MLX can find one size that only the array shows, not two.
        match to.iter().filter(|d| d.is_hidden()).count() {
            0 | 1 => Ok(self.known_op("reshape", x, Arg::Dims(to), ty, span)),
            _ => Err(Diag::sizes_of_the_cache(at, self.describe(x))),
        }
    }

    fn known_op(&mut self, name: &str, x: Id, arg: Arg, ty: Ty, span: Span) -> Id {
        match ops::find(name) {
            Some(op) => {
                let args = vec![Arg::Value(x), arg];
                self.push(Kind::Op { op, args }, ty, span)
            }
            None => self.unknown(span),
        }
    }

    /// The sizes of the names joined in one axis, of which one may be left to find.
    fn sizes(
        &self,
        axis: &Axis,
        size: &Dim,
        known: &[(String, Dim)],
        (at, x): (Span, Id),
    ) -> Result<Vec<(String, Dim)>> {
        let names = &self.model.names;
        let of = |name: &String| known.iter().find(|(n, _)| n == name).map(|(_, d)| d);
        let product = axis.iter().filter_map(of);
        let product = product.fold(Dim::constant(1), |p, d| p.times(d));
        let open: Vec<&String> = axis.iter().filter(|n| of(n).is_none()).collect();
        let (group, by, whole) = (axis.join(" "), names.dim(&product), names.dim(size));
        match open[..] {
            [] if product == *size => Ok(vec![]),
            [] => Err(Diag::group_size(at, group, by, whole, self.describe(x))),
            [one] => match self.known.divide(size, &product) {
                Some(rest) => Ok(vec![(one.clone(), rest)]),
                None => Err(Diag::group_not_divided(at, by, whole, self.describe(x))),
            },
            _ => Err(Diag::group_open(at, group, self.describe(x))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides_of(pattern: &str) -> Result<(Vec<Axis>, Vec<Axis>)> {
        sides(pattern, Span::call_site())
    }

    #[test]
    fn sides_hold_the_same_names_once() {
        let (l, r) = sides_of("b l (h d) -> b h l d").unwrap();
        assert_eq!(l[2], ["h", "d"]);
        assert_eq!(r.len(), 4);
        assert!(sides_of("a b -> a").is_err());
        assert!(sides_of("a a -> a a").is_err());
        assert!(sides_of("(a b -> a b").is_err());
        assert!(sides_of("a b").is_err());
        assert_eq!(sides_of("a 1 -> a").unwrap().0[1], Vec::<String>::new());
    }
}
