//! Reads `#[quantize(..)]`: how a layer's matrix is packed when it is loaded.
//!
//! Tests: `tests/planted.rs`.

use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, Lit};

use crate::diag::{Diag, Result};
use crate::syntax::args::Args;
use crate::syntax::condition;
use crate::syntax::kind::FieldKind;
use crate::syntax::literals::integer;

/// The quantisation of a layer, whatever the rest of the model is.
pub enum Quantize {
    /// It stays as it is.
    Never,
    /// Numbers, or fields of the config.
    With {
        /// Bits a value.
        bits: Box<Expr>,
        /// Values that share a scale.
        group_size: Box<Expr>,
    },
    /// A mode that has numbers of its own.
    Mode(&'static str),
}

/// The modes: how they are written, the runtime's names, and how many values share a scale.
const MODES: [(&str, &str, i64); 3] = [
    ("mxfp4", "Mxfp4", 32),
    ("mxfp8", "Mxfp8", 32),
    ("nvfp4", "Nvfp4", 16),
];
const KEYS: [&str; 3] = ["bits", "group_size", "mode"];

impl Quantize {
    /// Reads the attribute; `what` is the field's type as written.
    pub fn of(
        attr: &Attribute,
        field: &Ident,
        what: &str,
        kind: &FieldKind,
        tied: bool,
    ) -> Result<Self> {
        let mut args = Args::of(attr)?;
        let experts = matches!(kind, FieldKind::Layer(l) if l.layer.indexed);
        if !experts && !matches!(kind, FieldKind::Linear { .. } | FieldKind::Embedding { .. }) {
            return Err(Diag::quantized_kind(args.span, field, what));
        }
        if tied {
            return Err(Diag::quantized_tied(args.span, field));
        }
        let bits = args.take("bits");
        let group_size = args.take("group_size");
        if let Some(mode) = args.take("mode") {
            if let Some(name) = Self::named(&mode)? {
                let alone = args.positional.is_empty() && bits.is_none() && group_size.is_none();
                let span = args.span;
                args.finish(&KEYS)?;
                return match alone {
                    true => Ok(Quantize::Mode(name)),
                    false => Err(Diag::quantize_mode_numbers(span)),
                };
            }
        }
        match (args.positional.as_slice(), &bits, &group_size) {
            ([], None, None) => {}
            ([], ..) => {
                let four = || syn::parse_quote!(4);
                let (bits, group_size) = (
                    bits.unwrap_or_else(four),
                    group_size.unwrap_or_else(|| syn::parse_quote!(64)),
                );
                number(&bits, "bits", &[2, 3, 4, 5, 6, 8])?;
                number(&group_size, "group_size", &[32, 64, 128])?;
                args.finish(&KEYS)?;
                return Ok(Quantize::With {
                    bits: Box::new(bits),
                    group_size: Box::new(group_size),
                });
            }
            ([Expr::Path(p)], None, None) if p.path.is_ident("never") => {
                args.finish(&KEYS)?;
                return Ok(Quantize::Never);
            }
            _ => {}
        }
        let span = args.span;
        args.finish(&KEYS)?;
        Err(Diag::quantize_form(span))
    }

    /// The runtime's name of a mode, none for the affine one.
    fn named(mode: &Expr) -> Result<Option<&'static str>> {
        let text = match mode {
            Expr::Lit(l) => match &l.lit {
                Lit::Str(s) => s.value(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        match MODES.iter().find(|m| m.0 == text) {
            Some((_, name, _)) => Ok(Some(name)),
            None if text == "affine" => Ok(None),
            None => Err(Diag::quantize_mode(mode.span())),
        }
    }

    /// The number of values that share a scale, if that is known here: 1 or more.
    pub fn group(&self) -> Option<i64> {
        match self {
            Quantize::Never => None,
            Quantize::With { group_size, .. } => integer(group_size).filter(|n| *n > 0),
            Quantize::Mode(name) => MODES.iter().find(|m| m.1 == *name).map(|m| m.2),
        }
    }

    /// Its numbers.
    pub fn numbers(&self) -> Vec<&Expr> {
        match self {
            Quantize::With { bits, group_size } => vec![bits, group_size],
            _ => vec![],
        }
    }
}

/// A literal must be one of the numbers that MLX has kernels for.
fn number(e: &Expr, what: &str, known: &[i64]) -> Result<()> {
    let l = match e {
        Expr::Path(p) if condition::is_field(&p.path) => return Ok(()),
        Expr::Lit(l) => l,
        other => return Err(Diag::quantize_form(other.span())),
    };
    let n: Option<i64> = match &l.lit {
        Lit::Int(i) => i.base10_parse().ok(),
        _ => None,
    };
    if n.is_some_and(|n| known.contains(&n)) {
        return Ok(());
    }
    let list: Vec<String> = known.iter().map(i64::to_string).collect();
    Err(Diag::quantize_number(e.span(), what, list.join(", ")))
}
