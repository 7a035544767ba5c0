//! `rearrange!("b l (h d) -> b h l d", x, h = heads)`, axes split, moved and joined by name
//! (Rogozhnikov 2022, "Einops"). It becomes a reshape, a transposition and a reshape, so that
//! later phases see nothing new.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Expr, Ident, LitStr, Macro, Token};

use crate::build::Builder;
use crate::diag::{suggest, Code, Diag, Result};
use crate::dims::{volume, Dim, Shape};
use crate::ir::{Arg, Id, Kind};
use crate::ops;
use crate::signature::{Dt, Ty};

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
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let name = input.parse()?;
            input.parse::<Token![=]>()?;
            sizes.push((name, input.parse()?));
        }
        match input.is_empty() {
            true => Ok(Input {
                pattern,
                value,
                sizes,
            }),
            false => Err(input.error("expected `, name = size`")),
        }
    }
}

/// One axis of a side: the names that are joined in it; none is an axis of size 1.
type Axis = Vec<String>;

/// Both sides of a pattern.
fn sides(pattern: &str) -> std::result::Result<(Vec<Axis>, Vec<Axis>), String> {
    let (left, right) = pattern
        .split_once("->")
        .ok_or("the pattern has no `->`".to_string())?;
    let (left, right) = (side(left)?, side(right)?);
    let names = |s: &[Axis]| {
        let mut all: Vec<String> = s.iter().flatten().cloned().collect();
        all.sort();
        all
    };
    let (a, b) = (names(&left), names(&right));
    if let Some(twice) = a.windows(2).chain(b.windows(2)).find(|w| w[0] == w[1]) {
        return Err(format!("`{}` stands twice on one side", twice[0]));
    }
    let differs = a
        .iter()
        .find(|n| !b.contains(n))
        .map(|n| (n, "right"))
        .or_else(|| b.iter().find(|n| !a.contains(n)).map(|n| (n, "left")));
    match differs {
        Some((name, side)) => Err(format!("`{name}` is missing on the {side}")),
        None => Ok((left, right)),
    }
}

fn side(text: &str) -> std::result::Result<Vec<Axis>, String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let (mut axes, mut group): (Vec<Axis>, Option<Axis>) = (vec![], None);
    for word in spaced.split_whitespace() {
        match (word, &mut group) {
            ("(", None) => group = Some(vec![]),
            (")", Some(_)) => axes.extend(group.take()),
            ("(" | ")", _) => return Err("the parentheses do not match".to_string()),
            ("1", None) => axes.push(vec![]),
            ("1", Some(_)) => {}
            (name, group) => {
                if syn::parse_str::<Ident>(name).is_err() {
                    return Err(format!("`{name}` is not a name"));
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
        Some(_) => Err("the parentheses do not match".to_string()),
    }
}

impl Builder<'_> {
    /// The value of a `rearrange!`.
    pub(crate) fn rearrange(&mut self, mac: &Macro) -> Result<Id> {
        let input: Input = mac
            .parse_body()
            .map_err(|e| Diag::new(Code::Rearrange, e.span(), e.to_string()))?;
        let (at, span) = (input.pattern.span(), mac.span());
        let bad = |text: String| Diag::new(Code::Rearrange, at, text);
        let (left, right) = sides(&input.pattern.value()).map_err(bad)?;
        let x = self.value(&input.value, None)?;
        let (shape, dtype) = match self.ty(x) {
            Ty::Tensor(s, d) => (s.clone(), *d),
            Ty::Unknown => return Ok(x),
            _ => {
                let text = format!("expected one tensor, but {}", self.describe(x));
                return Err(Diag::new(Code::ArgumentKind, input.value.span(), text));
            }
        };
        if shape.len() != left.len() {
            let text = format!(
                "the left side has {} axes, but {}",
                left.len(),
                self.describe(x)
            );
            return Err(bad(text));
        }
        let mut known = Vec::new();
        for (name, e) in &input.sizes {
            let names: Vec<&str> = left.iter().flatten().map(String::as_str).collect();
            if !names.contains(&name.to_string().as_str()) {
                let near = suggest(&name.to_string(), names);
                let text = format!("`{name}` is not in the pattern{near}");
                return Err(Diag::new(Code::Rearrange, name.span(), text));
            }
            known.push((name.to_string(), self.dim(e)?));
        }
        for (axis, size) in left.iter().zip(&shape) {
            let found = self
                .sizes(axis, size, &known)
                .map_err(|e| bad(format!("{e}, but {}", self.describe(x))))?;
            known.extend(found);
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
        let x = self.reshaped(x, split.clone(), dtype, span).map_err(bad)?;
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
        self.reshaped(x, joined, dtype, span).map_err(bad)
    }

    fn reshaped(
        &mut self,
        x: Id,
        to: Shape,
        dtype: Dt,
        span: Span,
    ) -> std::result::Result<Id, String> {
        let ty = Ty::Tensor(to.clone(), dtype);
        if *self.ty(x) == ty {
            return Ok(x);
        }
        // MLX can find one size that only the array shows, not two.
        match to.iter().filter(|d| d.is_hidden()).count() {
            0 | 1 => Ok(self.known_op("reshape", x, Arg::Dims(to), ty, span)),
            _ => Err(format!(
                "the cache alone knows two of the sizes, but {}",
                self.describe(x)
            )),
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
    ) -> std::result::Result<Vec<(String, Dim)>, String> {
        let names = &self.model.names;
        let of = |name: &String| known.iter().find(|(n, _)| n == name).map(|(_, d)| d);
        let product = axis.iter().filter_map(of);
        let product = product.fold(Dim::constant(1), |p, d| p.times(d));
        let open: Vec<&String> = axis.iter().filter(|n| of(n).is_none()).collect();
        match open[..] {
            [] if product == *size => Ok(vec![]),
            [] => Err(format!(
                "`({})` has the size `{}`, not `{}`",
                axis.join(" "),
                names.dim(&product),
                names.dim(size)
            )),
            [one] => match names.divide(size, &product) {
                Some(rest) => Ok(vec![(one.clone(), rest)]),
                None => Err(format!(
                    "`{}` is not known to divide `{}`",
                    names.dim(&product),
                    names.dim(size)
                )),
            },
            _ => Err(format!(
                "more than one size of `({})` is open",
                axis.join(" ")
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_hold_the_same_names_once() {
        let (l, r) = sides("b l (h d) -> b h l d").unwrap();
        assert_eq!(l[2], ["h", "d"]);
        assert_eq!(r.len(), 4);
        assert!(sides("a b -> a").is_err());
        assert!(sides("a a -> a a").is_err());
        assert!(sides("(a b -> a b").is_err());
        assert!(sides("a b").is_err());
        assert_eq!(sides("a 1 -> a").unwrap().0[1], Vec::<String>::new());
    }
}
