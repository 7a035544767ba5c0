//! Writes a graph as Rust: one call of the runtime and one `?` for each node, no `unsafe`.
//!
//! Tests: `tests/llama.rs`; `mlx-tests --test language`.

mod args;
mod calls;
mod check;
mod checked;
pub mod checkpoint;
pub(crate) mod config;
pub mod define;
pub(crate) mod digest;
mod elements;
pub mod kernel;
pub(crate) mod layers;
mod layout;
mod loops;
mod nodes;
mod projections;
mod prologue;
pub mod region;
mod sizes;
mod weights;

pub use args::dim;
pub use check::sig_type;
pub use config::{config_expr, config_size, estimated_size};

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use crate::ir::{Graph, Id};
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Dt, Method, Ty};

/// A method with its body lowered.
pub fn method(model: &ModelDef, m: &Method, graph: &Graph) -> TokenStream {
    wrap(m, true, body(model, m, graph))
}

/// A helper function with its body lowered.
pub fn function(model: &ModelDef, m: &Method, graph: &Graph) -> TokenStream {
    wrap(m, false, body(model, m, graph))
}

fn body(model: &ModelDef, m: &Method, graph: &Graph) -> TokenStream {
    let l = Lower {
        model,
        graph,
        live: graph.live(),
    };
    let body = l.nodes(0, graph.nodes.len());
    let prologue = l.prologue(m);
    let result = graph.result.map(|id| l.result(id));
    // Calls that are not computed are compared with their signatures all the same.
    let unread = (0..graph.nodes.len()).filter(|id| !l.live.contains(id));
    let unread: Vec<TokenStream> = unread.filter_map(|id| l.check_of(id)).collect();
    quote! { #prologue #(#unread)* #body ::core::result::Result::Ok(#result) }
}

/// The arguments of a method, again.
pub(crate) fn copied(m: &Method) -> Vec<crate::syntax::signature::Argument> {
    let again = m.args.iter().map(|a| crate::syntax::signature::Argument {
        name: a.name.clone(),
        ty: a.ty.clone(),
        span: a.span,
        mutable: a.mutable,
        states: a.states.clone(),
    });
    again.collect()
}

/// The places of the tensors of a kernel that have a gradient.
pub fn kernel_trained(m: &Method, frozen: &[bool]) -> Vec<usize> {
    let tensors = m.args.iter().filter_map(|a| match &a.ty {
        Ty::Tensor(_, d) => Some(*d),
        _ => None,
    });
    let trained = tensors
        .enumerate()
        .filter(|(i, d)| matches!(d, Dt::Float | Dt::F32) && !frozen[*i]);
    trained.map(|(i, _)| i).collect()
}

/// A method of a model, or a function, that has mistakes: it only keeps its callers from having
/// more.
pub fn placeholder(m: &Method, of_model: bool) -> TokenStream {
    wrap(m, of_model, quote! { __rt::never() })
}

/// Constants by which rustc checks the calls in a body with mistakes, so that those across crates are reported
/// together with the others.
pub fn checks(model: &ModelDef, graph: &Graph) -> TokenStream {
    let l = Lower {
        model,
        graph,
        live: BTreeSet::new(),
    };
    let calls = 0..graph.nodes.len();
    calls.filter_map(|id| l.check_of(id)).collect()
}

fn wrap(m: &Method, of_model: bool, body: TokenStream) -> TokenStream {
    let Method {
        attrs, vis, name, ..
    } = m;
    let args = m.args.iter().map(|a| {
        let n = &a.name;
        match a.ty {
            Ty::Cache => quote! { #n: &mut ::mlx_runtime::nn::KvCache },
            Ty::Number => quote! { #n: f32 },
            Ty::Whole => quote! { #n: i32 },
            _ => quote! { #n: &::mlx_runtime::Array },
        }
    });
    let ret = match &m.ret {
        Ty::Tuple(all) => {
            let arrays = all.iter().map(|_| quote! { ::mlx_runtime::Array });
            quote! { (#(#arrays,)*) }
        }
        _ => quote! { ::mlx_runtime::Array },
    };
    let doc = (!attrs.iter().any(|a| a.path().is_ident("doc"))).then(|| {
        let text = format!("The model's `{name}`.");
        quote! { #[doc = #text] }
    });
    let receiver = of_model.then(|| quote! { &self, });
    quote! {
        #(#attrs)* #doc
        #[allow(unused_variables, unused_imports, clippy::all)]
        #vis fn #name(#receiver #(#args),*) -> ::mlx_runtime::Result<#ret> {
            use ::mlx_runtime::__private as __rt;
            #body
        }
    }
}

struct Lower<'a> {
    model: &'a ModelDef,
    graph: &'a Graph,
    live: BTreeSet<Id>,
}
/// The number of the layer that a model is.
pub fn layer() -> TokenStream {
    quote! { self.__mlx.layer() }
}

/// The name under which a group of joined fields is kept.
pub fn join_key(fields: &[Ident]) -> String {
    fields
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("+")
}
