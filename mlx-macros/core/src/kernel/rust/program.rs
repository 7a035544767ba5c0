//! The data from which the runtime finds the elements of each row, as a constant expression.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test kernels`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{Writer, KINDS};
use crate::kernel::ir::{At, Op, Place, Scalar};
use crate::kernel::schedule::is_flat;
use crate::kernel::text;
use crate::syntax::dims::Dim;
use crate::syntax::signature::Dt;

impl Writer<'_> {
    pub(super) fn program(&self, names: &[String], body: &str) -> TokenStream {
        let name = &self.p.name;
        let poly = |d: &Dim| {
            let terms = d.terms().map(|(factors, c)| {
                let at = factors
                    .iter()
                    .map(|f| names.iter().position(|n| n == f).unwrap_or(0));
                quote! { (#c, &[#(#at),*]) }
            });
            quote! { &[#(#terms),*] }
        };
        let shown = |name: &str, shape: &[Dim], dtype: Dt| {
            let dims: Vec<String> = shape.iter().map(ToString::to_string).collect();
            format!("{name} [{}] {}", dims.join(", "), dtype.name())
        };
        let all = self.p.inputs.iter();
        let reads = all.map(|i| shown(&i.name, &i.shape, i.dtype));
        let all = self.p.outputs.iter();
        let writes = all.map(|o| shown(&o.name, &o.shape, o.dtype));
        let sizes = self.sizes.all.iter().map(poly);
        let place = |d: &Dim| self.sizes.all.iter().position(|o| o == d).unwrap_or(0);
        let rows = self.p.rows.iter().map(place);
        let inputs = self.p.inputs.iter().map(|i| storage(i.dtype));
        let at = |at: &At| {
            let rows = at.rows.iter().map(|(i, stride)| {
                let stride = place(stride);
                quote! { (#i, #stride) }
            });
            let computed = at.computed.iter().map(|c| {
                let load = self.loads.iter().position(|l| *l == c.value).unwrap_or(0);
                let (size, stride) = (place(&c.size), place(&c.stride));
                quote! { __r::Chosen { load: #load, size: #size, stride: #stride } }
            });
            let (column, offset) = (place(&at.column), place(&at.offset));
            quote! { __r::at(&[#(#rows),*], &[#(#computed),*], #column, #offset) }
        };
        let one = Dim::constant(1);
        let loads = self.loads.iter().map(|v| {
            let value = &self.p.values[*v];
            let Op::Load { input, at: found } = &value.op else {
                return quote! {};
            };
            let (at, width) = (at(found), place(value.width.as_ref().unwrap_or(&one)));
            quote! { __r::load(#input, #at, #width) }
        });
        let outputs = self.p.outputs.iter().map(|o| {
            let (shape, dtype) = (o.shape.iter().map(place), storage(o.dtype));
            let width = place(self.p.values[o.value].width.as_ref().unwrap_or(&one));
            let place = match &o.place {
                Place::At(found) => {
                    let at = at(found);
                    quote! { Some(#at) }
                }
                Place::Sum => quote! { None },
            };
            quote! { __r::output(&[#(#shape),*], #dtype, #width, #place) }
        });
        let scratch = KINDS
            .iter()
            .flat_map(|k| self.buffers(*k))
            .filter(|b| self.s.buffers[*b].output.is_none());
        let scratch = scratch.map(|b| {
            let (kind, width) = (
                scalar(self.s.buffers[b].scalar),
                place(&self.s.buffers[b].width),
            );
            quote! { (#kind, #width) }
        });
        let cuts = self.p.values.iter().filter_map(|v| match &v.op {
            Op::Cut { of, start, step } => {
                let count = place(v.width.as_ref().unwrap_or(&one));
                let whole = place(self.p.values[*of].width.as_ref().unwrap_or(&one));
                let (start, step) = (place(start), place(step));
                Some(quote! { __r::Cut { start: #start, step: #step, count: #count, whole: #whole } })
            }
            _ => None,
        });
        let counts = self
            .p
            .values
            .iter()
            .filter_map(|v| match (&v.op, v.scalar) {
                (Op::Size(d), Scalar::I32) => Some(place(d)),
                _ => None,
            });
        let flat = match is_flat(self.p) {
            Some(d) => {
                let d = place(&d);
                quote! { Some(#d) }
            }
            None => quote! { None },
        };
        let (before, [cuda, metal]) = text::emit(self.p, names);
        quote! {
            #before
            __r::Program {
                name: #name,
                rust: #body,
                reads: &[#(#reads),*],
                writes: &[#(#writes),*],
                sizes: &[#(#sizes),*],
                rows: &[#(#rows),*],
                inputs: &[#(#inputs),*],
                loads: &[#(#loads),*],
                outputs: &[#(#outputs),*],
                scratch: &[#(#scratch),*],
                counts: &[#(#counts),*],
                cuts: &[#(#cuts),*],
                flat: #flat,
                cpu,
                cuda: #cuda,
                metal: #metal,
            }
        }
    }
}

fn storage(d: Dt) -> TokenStream {
    let name = format_ident!("{}", format!("{d:?}"));
    quote! { __r::Class::#name }
}

fn scalar(s: Scalar) -> TokenStream {
    let name = format_ident!("{}", format!("{s:?}"));
    quote! { __r::Scalar::#name }
}
