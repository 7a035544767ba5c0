//! Reads `#[weights(..)]`: the names of a field's tensors in a checkpoint.
//!
//! Tests: `mlx-tests --test weights`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, Lit};

use crate::diag::{suggest, Diag, Result};
use crate::syntax::args::Args;
use crate::syntax::kind::FieldKind;
use crate::syntax::literals::small;

/// The names of a field's tensors, in each naming scheme.
pub struct Weights {
    /// The names in checkpoints of the default scheme; the field's name where it is `None`.
    pub default: Option<Pattern>,
    /// The names in those of other schemes.
    pub schemes: Vec<(Ident, Pattern)>,
}

/// Alternatives, tried in order; each is one tensor, or several whose rows are joined.
pub struct Pattern {
    /// At least one, each of at least one part.
    pub alternatives: Vec<Vec<Part>>,
    /// Its place in the source.
    pub span: Span,
}

/// One name.
pub struct Part {
    /// Relative to the model, or from the root if `absolute`.
    pub name: String,
    /// It began with `/`.
    pub absolute: bool,
    /// The checkpoint stores `[in, out]`.
    pub transposed: bool,
    /// The checkpoint stores `[out, in, kernel..]`, as PyTorch.
    pub channels_first: bool,
    /// This one of so many equal parts of the rows.
    pub part: (i32, i32),
}

impl Part {
    fn named(name: String, absolute: bool) -> Part {
        Part {
            name,
            absolute,
            transposed: false,
            channels_first: false,
            part: (0, 1),
        }
    }

    /// True if the checkpoint stores what the layer uses.
    pub fn is_as_used(&self) -> bool {
        !self.transposed && !self.channels_first && self.part.1 == 1
    }
}

impl Weights {
    /// Reads the attribute; `what` is the field's type as written.
    pub fn of(attr: &Attribute, field: &Ident, what: &str, kind: &FieldKind) -> Result<Weights> {
        let args = Args::of(attr)?;
        if matches!(kind, FieldKind::Rope { .. }) {
            return Err(Diag::holds_no_tensors(args.span, field, what));
        }
        let (mut default, mut transposed, mut channels) = (None::<Pattern>, None, None);
        for e in &args.positional {
            match e {
                Expr::Path(p) if p.path.is_ident("transposed") => transposed = Some(p.span()),
                Expr::Path(p) if p.path.is_ident("channels_first") => channels = Some(p.span()),
                Expr::Path(p) => {
                    let word = p.path.get_ident().map(Ident::to_string).unwrap_or_default();
                    let near = suggest(&word, ["transposed", "channels_first"]);
                    return Err(Diag::unknown_weights_word(p.span(), word, near));
                }
                e if default.is_some() => {
                    return Err(Diag::second_name(e.span()));
                }
                e => default = Some(Pattern::of(e)?),
            }
        }
        if let Some(at) = transposed.or(channels) {
            let own = |_| Pattern {
                alternatives: vec![vec![Part::named(field.to_string(), false)]],
                span: at,
            };
            let mut pattern = default.unwrap_or_else(|| own(()));
            for part in pattern.alternatives.iter_mut().flatten() {
                part.transposed |= transposed.is_some();
                part.channels_first |= channels.is_some();
            }
            default = Some(pattern);
        }
        let mut schemes: Vec<(Ident, Pattern)> = Vec::new();
        for (scheme, e) in &args.keyed {
            if schemes.iter().any(|(s, _)| s == scheme) {
                return Err(Diag::scheme_twice(scheme.span(), scheme));
            }
            schemes.push((scheme.clone(), Pattern::of(e)?));
        }
        if default.is_none() && schemes.is_empty() {
            return Err(Diag::no_name(args.span));
        }
        let weights = Weights { default, schemes };
        for p in weights.patterns() {
            p.check(field, what, kind)?;
        }
        Ok(weights)
    }

    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.default
            .iter()
            .chain(self.schemes.iter().map(|(_, p)| p))
    }

    /// The plain name in the default scheme, if it is one: then `parameters()` calls it so too.
    pub fn plain(&self) -> Option<&str> {
        let first = self.default.as_ref()?.alternatives.first()?;
        match first.as_slice() {
            [part]
                if !part.absolute
                    && !part.name.contains('{')
                    && !part.channels_first
                    && part.part.1 == 1 =>
            {
                Some(&part.name)
            }
            _ => None,
        }
    }

    /// True if nothing is said but that plain name.
    pub fn is_plain(&self) -> bool {
        let one = |p: &Pattern| p.alternatives.len() == 1 && p.alternatives[0][0].is_as_used();
        self.plain().is_some() && self.schemes.is_empty() && self.default.as_ref().is_some_and(one)
    }
}

impl Pattern {
    fn of(e: &Expr) -> Result<Pattern> {
        let mut alternatives = Vec::new();
        alternative(e, &mut alternatives)?;
        Ok(Pattern {
            alternatives,
            span: e.span(),
        })
    }

    /// Refuses names that do not fit the kind of field.
    fn check(&self, field: &Ident, what: &str, kind: &FieldKind) -> Result<()> {
        let span = self.span;
        let matrix = match kind {
            FieldKind::Linear { .. } | FieldKind::Embedding { .. } => true,
            FieldKind::Param { shape, .. } => shape.len() > 1,
            _ => false,
        };
        let rows = matches!(kind, FieldKind::Linear { .. } | FieldKind::Param { .. });
        for parts in &self.alternatives {
            if parts.len() > 1 && !rows {
                return Err(Diag::joined_kind(span, field, what));
            }
            for part in parts {
                if part.transposed && !matrix {
                    return Err(Diag::transposed_kind(span, field, what));
                }
                let convolution =
                    matches!(kind, FieldKind::Layer(held) if held.layer.name.starts_with("Conv"));
                if part.channels_first && !convolution {
                    return Err(Diag::channels_kind(span, field, what));
                }
                if part.part.1 > 1 && !rows {
                    return Err(Diag::part_kind(span, field, what));
                }
                let holes = part.name.matches("{}").count();
                let stacked = match kind {
                    FieldKind::Param { shape, .. } => !shape.is_empty(),
                    FieldKind::Layer(held) => held.layer.indexed,
                    _ => false,
                };
                if holes > 0 && !stacked {
                    return Err(Diag::index_kind(span, field, what));
                }
                if holes > 1 || part.name.replace("{}", "").contains(['{', '}']) {
                    return Err(Diag::index_twice(span, quoted(&part.name)));
                }
                if holes > 0 && !part.name.split('.').any(|w| w == "{}") {
                    return Err(Diag::index_in_a_word(span, quoted(&part.name)));
                }
                let broken = !part.name.is_empty() && part.name.split('.').any(str::is_empty);
                if broken || part.name.contains(['/', '*', ' ']) {
                    return Err(Diag::broken_name(span, quoted(&part.name)));
                }
            }
        }
        Ok(())
    }
}

fn quoted(name: &str) -> String {
    format!("{name:?}")
}

/// `a | b | ..`
fn alternative(e: &Expr, all: &mut Vec<Vec<Part>>) -> Result<()> {
    match e {
        Expr::Binary(b) if matches!(b.op, syn::BinOp::BitOr(_)) => {
            alternative(&b.left, all)?;
            alternative(&b.right, all)
        }
        Expr::Paren(p) => alternative(&p.expr, all),
        Expr::Group(g) => alternative(&g.expr, all),
        e => {
            let mut parts = Vec::new();
            sum(e, &mut parts)?;
            all.push(parts);
            Ok(())
        }
    }
}

/// `a + b + ..`
fn sum(e: &Expr, parts: &mut Vec<Part>) -> Result<()> {
    match e {
        Expr::Binary(b) if matches!(b.op, syn::BinOp::Add(_)) => {
            sum(&b.left, parts)?;
            sum(&b.right, parts)
        }
        Expr::Lit(l) => match &l.lit {
            Lit::Str(s) => {
                let text = s.value();
                let name = text.strip_prefix('/');
                parts.push(Part::named(
                    name.unwrap_or(&text).to_string(),
                    name.is_some(),
                ));
                Ok(())
            }
            _ => Err(Diag::name_not_text(e.span())),
        },
        Expr::Call(c) => match (&*c.func, c.args.first()) {
            (Expr::Path(p), Some(inner)) if p.path.is_ident("transposed") && c.args.len() == 1 => {
                let from = parts.len();
                sum(inner, parts)?;
                parts[from..].iter_mut().for_each(|p| p.transposed = true);
                Ok(())
            }
            (Expr::Path(p), Some(inner))
                if p.path.is_ident("channels_first") && c.args.len() == 1 =>
            {
                let from = parts.len();
                sum(inner, parts)?;
                parts[from..]
                    .iter_mut()
                    .for_each(|p| p.channels_first = true);
                Ok(())
            }
            // `part("qkv", 1, 3)`: the second of three.
            (Expr::Path(p), Some(inner)) if p.path.is_ident("part") && c.args.len() == 3 => {
                let number = |e: &Expr| small(e).and_then(|n| i32::try_from(n).ok());
                let (i, n) = (number(&c.args[1]), number(&c.args[2]));
                let (Some(i), Some(n @ 2..=64)) = (i, n) else {
                    return Err(Diag::part_form(e.span()));
                };
                if !(0..n).contains(&i) {
                    return Err(Diag::part_form(e.span()));
                }
                let from = parts.len();
                sum(inner, parts)?;
                parts[from..].iter_mut().for_each(|p| p.part = (i, n));
                Ok(())
            }
            _ => Err(Diag::not_a_name(e.span())),
        },
        _ => Err(Diag::not_a_name(e.span())),
    }
}
