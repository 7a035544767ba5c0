//! Writes a region of a body as a kernel: its constants and the same operations by MLX, where the node stands.
//!
//! Tests: `mlx-tests --test kernels`.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::Ident;

use super::args::dim_var;
use super::{dim, estimated_size, kernel, Lower};
use crate::ir::{Graph, Id, Kind, Region};
use crate::kernel::{regions, rust};
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::model::ModelDef;
use crate::syntax::signature::Ty;

/// The function that holds the kernel of a region.
pub fn held(model: &ModelDef, r: &Region) -> Ident {
    format_ident!("__mlx_kernel_{}_{}", model.item.ident.unraw(), r.name)
}

/// The functions that hold the kernels of a graph's regions, beside the model or the function.
pub fn kernels(model: &ModelDef, graph: &Graph) -> TokenStream {
    let regions = graph.nodes.iter().filter_map(|n| match &n.kind {
        Kind::Kernel(r) => Some(r),
        _ => None,
    });
    let each = regions.filter_map(|r| {
        let found = regions::programs(&model.names, r)?;
        let gradient = found.gradient.as_ref();
        let all = [Some(&found.forward), gradient.map(|g| &g.program)];
        let names = rust::names(&all.into_iter().flatten().collect::<Vec<_>>());
        let held = held(model, r);
        Some(kernel::item(
            &held,
            (&found.forward, r.outputs.len()),
            gradient,
            &r.frozen,
            &names,
        ))
    });
    each.collect()
}

impl Lower<'_> {
    /// A size: what the shapes of all arrays are compared with before a kernel takes them.
    fn region_size(&self, d: &Dim) -> TokenStream {
        dim(d, |n| match is_free(n) {
            true => {
                let v = dim_var(n);
                quote! { #v }
            }
            false => estimated_size(&self.model.names, n),
        })
    }

    /// The values of a region, as a list.
    pub(super) fn region(&self, r: &Region) -> TokenStream {
        let composed = self.composed(r);
        let inputs: Vec<TokenStream> = r.inputs.iter().map(|id| self.read(*id)).collect();
        let numbers = r.numbers.iter().map(|(name, e)| {
            let e = self.number(e);
            quote! { let #name: f64 = #e; }
        });
        let Some(found) = regions::programs(&self.model.names, r) else {
            // Lowered as it was grown; a program that is lost costs speed alone.
            return quote! { { #(#numbers)* (#composed)(&[#((#inputs).clone()),*])? } };
        };
        let gradient = found.gradient.as_ref();
        let all = [Some(&found.forward), gradient.map(|g| &g.program)];
        let names = rust::names(&all.into_iter().flatten().collect::<Vec<_>>());
        let held = held(self.model, r);
        let sizes = names.iter().map(|n| self.region_size(&Dim::name(n)));
        let shapes = r.inputs.iter().map(|id| match &self.graph.nodes[*id].ty {
            Ty::Tensor(shape, d) => {
                let dims = shape.iter().map(|d| self.region_size(d));
                let class = format_ident!("{}", format!("{d:?}"));
                quote! { (__r::Class::#class, &[#(#dims),*]) }
            }
            _ => quote! {},
        });
        let inner = Lower {
            model: self.model,
            graph: &r.graph,
            live: BTreeSet::new(),
        };
        let given = found.forward.numbers.iter().map(|n| inner.given(&n.given));
        let hidden = r.varying.iter().filter(|n| n.ends_with('\''));
        let hidden = hidden.filter_map(|n| {
            let (input, axis, rest) = r.shown(n)?;
            let (var, rest) = (dim_var(n), self.region_size(&rest));
            let x = self.read(r.inputs[input]);
            Some(quote! { let #var: i64 = __r::length(#x, #axis).saturating_sub(#rest); })
        });
        quote! { {
            use ::mlx_runtime::__private::rows as __r;
            #(#hidden)*
            #(#numbers)*
            __r::region(
                #held(), &[#(#inputs),*], &[#(#shapes),*], &[#(#sizes),*], &[#(#given),*], __float, #composed,
            )?
        } }
    }

    /// The operations of a region by MLX.
    fn composed(&self, r: &Region) -> TokenStream {
        let inner = Lower {
            model: self.model,
            graph: &r.graph,
            live: r.graph.live(),
        };
        let names = r
            .method
            .args
            .iter()
            .filter(|a| matches!(a.ty, Ty::Tensor(..)));
        let args = names.enumerate().map(|(i, a)| {
            let name = &a.name;
            quote! { let #name = &__x[#i]; }
        });
        let body = inner.nodes(0, r.graph.nodes.len());
        let results: Vec<Id> = match r.graph.result.map(|id| (id, &r.graph.nodes[id].kind)) {
            Some((_, Kind::Tuple(ids))) => ids.clone(),
            Some((id, _)) => vec![id],
            None => vec![],
        };
        let results = results.into_iter().map(|id| inner.result(id));
        quote! {
            move |__x: &[::mlx_runtime::Array]| -> ::mlx_runtime::Result<::std::vec::Vec<::mlx_runtime::Array>> {
                #(#args)*
                #body
                ::core::result::Result::Ok(::std::vec![#(#results),*])
            }
        }
    }
}
