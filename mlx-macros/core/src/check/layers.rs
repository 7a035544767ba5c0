//! Checks calls of the layers in the table.
//!
//! Tests: `tests/planted.rs`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use crate::check::build::Builder;
use crate::diag::{Diag, Result};
use crate::ir::{Arg, Id, Kind};
use crate::syntax::layers::{Held, Refused};
use crate::syntax::shapes::broadcast;
use crate::syntax::signature::{Dt, Ty};

impl Builder<'_> {
    /// `self.name(x)` of a layer of the table.
    pub(crate) fn layer(
        &mut self,
        name: &Ident,
        held: &Held,
        args: &[&Expr],
        span: Span,
    ) -> Result<Id> {
        let (x, indices) = match (args, held.layer.indexed) {
            ([x], false) => (x, None),
            ([x, indices], true) => (x, Some(*indices)),
            (_, indexed) => {
                let takes = match indexed {
                    true => "a tensor and indices",
                    false => "one tensor",
                };
                return Err(Diag::layer_arguments(span, name, takes, args.len()));
            }
        };
        let id = self.value(x, None)?;
        let chosen = indices.map(|e| self.value(e, None)).transpose()?;
        let (shape, dtype) = match self.ty(id).clone() {
            Ty::Tensor(s, d) => (s, d),
            Ty::Unknown => return Ok(self.unknown(span)),
            _ => {
                return Err(Diag::expected_tensor(x.span(), self.describe(id)));
            }
        };
        if dtype != Dt::Float {
            return Err(Diag::layer_dtype(x.span(), name, self.describe(id)));
        }
        let out = (held.layer.rule)(held, &shape, &self.model.names).map_err(|e| {
            let found = self.describe(id);
            match e {
                Refused::Rank(takes) => Diag::conv_input(x.span(), name, takes, found),
                Refused::Takes(takes) => Diag::layer_takes(x.span(), name, takes, found),
                Refused::NoPlace(e) => e.mistake(x.span(), &name.to_string(), found),
            }
        })?;
        let (mut out, mut list) = (out, vec![Arg::Value(id)]);
        if let (Some(chosen), Some(at)) = (chosen, indices) {
            let by = match self.ty(chosen).clone() {
                Ty::Tensor(s, Dt::I32 | Dt::U32) => s,
                Ty::Unknown => return Ok(self.unknown(span)),
                _ => return Err(Diag::index_dtype(at.span(), name, self.describe(chosen))),
            };
            let matrix = out.split_off(out.len().saturating_sub(2));
            out = broadcast(&out, &by).ok_or_else(|| {
                let names = &self.model.names;
                Diag::indices_broadcast(span, name, names.shape(&out), names.shape(&by))
            })?;
            out.extend(matrix);
            list.push(Arg::Value(chosen));
        }
        let kind = Kind::Leaf {
            field: name.clone(),
            args: list,
            dequantize: false,
        };
        Ok(self.push(kind, Ty::Tensor(out, Dt::Float), span))
    }
}
