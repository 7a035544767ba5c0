//! Checks `expand_dims(a, [i, j])` and `squeeze(a, [i, j])`, which become one operation for each axis.
//!
//! Tests: `mlx-tests --test parts`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::Expr;

use super::build::Builder;
use crate::diag::{Diag, Result};
use crate::ir::{Arg, Id};
use crate::syntax::literals::small;
use crate::syntax::signature::Ty;

impl Builder<'_> {
    /// The value, if the operation takes a list of axes.
    pub(super) fn several_axes(
        &mut self,
        name: &'static str,
        args: &[&Expr],
        span: Span,
    ) -> Result<Option<Id>> {
        let ("expand_dims" | "squeeze", [x, axes]) = (name, args) else {
            return Ok(None);
        };
        let axes = match axes {
            Expr::Assign(a) => &*a.right,
            axes => axes,
        };
        let Expr::Array(axes) = axes else {
            return Ok(None);
        };
        let mut all = Vec::new();
        for e in &axes.elems {
            all.push(small(e).ok_or_else(|| Diag::expected_integer(e.span()))?);
        }
        let mut id = self.value(x, None)?;
        let Ty::Tensor(shape, _) = self.ty(id) else {
            return match self.ty(id) {
                Ty::Unknown => Ok(Some(self.unknown(span))),
                _ => Err(Diag::expected_tensor(x.span(), self.describe(id))),
            };
        };
        let (grows, rank) = (name == "expand_dims", shape.len() as i64);
        let rank = if grows { rank + all.len() as i64 } else { rank };
        for axis in &mut all {
            if !(-rank..rank).contains(axis) {
                return Err(Diag::axis_outside(
                    axes.span(),
                    name,
                    *axis,
                    self.describe(id),
                ));
            }
            *axis = axis.rem_euclid(rank);
        }
        all.sort_unstable();
        if all.windows(2).any(|two| two[0] == two[1]) {
            return Err(Diag::axis_twice(axes.span(), name));
        }
        if !grows {
            all.reverse();
        }
        for axis in all {
            id = self.apply(name, vec![Arg::Value(id), Arg::Int(axis)], span)?;
        }
        Ok(Some(id))
    }
}
