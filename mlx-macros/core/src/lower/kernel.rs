//! Writes a kernel: the function, its body for the CPU, and the same composed of MLX's operations.
//!
//! Tests: `mlx-tests --test kernels`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::Path;

use super::args::dim_var;
use super::checked::is_only_checked;
use super::{dim, Lower};
use crate::ir::Graph;
use crate::kernel::ir::{Given, Gradient, Program, Source};
use crate::kernel::rust::{is_written, names, write, Written};
use crate::syntax::dims::Dim;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Method, Ty};

/// A kernel with its gradient.
pub struct Parts<'a> {
    /// The row program.
    pub program: &'a Program,
    /// Its gradient, if one launch computes it.
    pub gradient: Option<&'a Gradient>,
    /// True for each tensor without a gradient.
    pub frozen: &'a [bool],
    /// A function that computes the gradient instead.
    pub vjp: Option<&'a Path>,
}

impl Lower<'_> {
    /// A number of a kernel, as a float32.
    pub(super) fn given(&self, g: &Given) -> TokenStream {
        match g {
            Given::Float(e) => {
                let e = self.number(e);
                quote! { (#e) as f32 }
            }
            Given::Count(e) => {
                let e = self.count(e);
                quote! { (#e) as f32 }
            }
            Given::Lowest => quote! { __r::lowest(__float) },
        }
    }
}

/// A kernel as a function.
pub fn kernel(model: &ModelDef, m: &Method, graph: &Graph, parts: &Parts<'_>) -> TokenStream {
    let l = Lower {
        model,
        graph,
        live: graph.live(),
    };
    let all: Vec<&Program> = [Some(parts.program), parts.gradient.map(|g| &g.program)]
        .into_iter()
        .flatten()
        .collect();
    let names = names(&all);
    let held = of_function(&m.name);
    let results = match &m.ret {
        Ty::Tuple(all) => all.len(),
        _ => 1,
    };
    let statics = item(
        &held,
        (parts.program, results),
        parts.gradient,
        parts.frozen,
        &names,
    );
    let frozen = parts.frozen;
    let sizes = names.iter().map(|n| {
        dim(&Dim::name(n), |n| {
            let v = dim_var(n);
            quote! { #v }
        })
    });
    let numbers = parts.program.numbers.iter().map(|n| l.given(&n.given));
    let tensors: Vec<_> = m
        .args
        .iter()
        .filter(|a| matches!(a.ty, Ty::Tensor(..)))
        .map(|a| &a.name)
        .collect();
    let given = |from: TokenStream| {
        let mut next = 0usize;
        let args = m.args.iter().map(|a| match a.ty {
            Ty::Tensor(..) => {
                let i = next;
                next += 1;
                quote! { &#from[#i] }
            }
            _ => {
                let n = &a.name;
                quote! { #n }
            }
        });
        args.collect::<Vec<_>>()
    };
    let args = given(quote! { __x });
    let list = |value: TokenStream| match &m.ret {
        Ty::Tuple(all) => {
            let places = (0..all.len()).map(syn::Index::from);
            quote! { let __y = #value?; ::core::result::Result::Ok(::std::vec![#(__y.#places),*]) }
        }
        _ => quote! { ::core::result::Result::Ok(::std::vec![#value?]) },
    };
    let composed_call = list(quote! { __composed(#(#args),*) });
    let run = match parts.vjp {
        None => {
            quote! { __r::call(#held(), &[#(#tensors),*], &__sizes, &__numbers, __float, __by_mlx)? }
        }
        Some(path) => {
            let count = tensors.len();
            let cotangents = (0..results).map(|i| {
                let at = count + i;
                quote! { &__x[#at] }
            });
            let floats = super::kernel_trained(m, frozen);
            let value = quote! { #path(#(#args,)* #(#cotangents),*) };
            let grads = quote! { ::core::result::Result::Ok(__r::Gradients::list(#value?)) };
            let places = floats.iter();
            quote! {
                __r::call_with(
                    #held(), &[#(#tensors),*], &__sizes, &__numbers, __float, __by_mlx, &[#(#places),*],
                    move |__x: &[::mlx_runtime::Array]| { #grads },
                )?
            }
        }
    };
    let result = match &m.ret {
        Ty::Tuple(all) => {
            let items = (0..all.len()).map(|i| quote! { __rt::item(&__out, #i)? });
            quote! { (#(#items,)*) }
        }
        _ => quote! { __rt::item(&__out, 0)? },
    };
    let mut inner = Method {
        attrs: vec![],
        vis: syn::Visibility::Inherited,
        name: syn::Ident::new("__composed", proc_macro2::Span::mixed_site()),
        args: vec![],
        ret: m.ret.clone(),
        ret_span: m.ret_span,
        body: m.body.clone(),
        broken: false,
    };
    let composed = {
        let body = super::body(model, m, graph);
        inner.args = super::copied(m);
        super::wrap(&inner, false, body)
    };
    let prologue = l.bound(m, &names);
    let body = quote! {
        use ::mlx_runtime::__private::rows as __r;
        #composed
        #prologue
        let (__sizes, __numbers) = ([#(#sizes),*], [#(#numbers),*]);
        let __by_mlx = move |__x: &[::mlx_runtime::Array]| { #composed_call };
        let __out = #run;
        ::core::result::Result::Ok(#result)
    };
    let function = super::wrap(m, false, body);
    quote! { #function #statics }
}

/// The function that holds the kernel of a function with `#[mlx_kernel]`.
pub fn of_function(name: &syn::Ident) -> syn::Ident {
    format_ident!("__mlx_kernel_{}", name.unraw())
}

/// A function that gives a kernel, whose results are so many outputs, with its gradient, and holds the bodies for the CPU.
/// `names` are the sizes that a call gives.
pub(super) fn item(
    name: &syn::Ident,
    forward: (&Program, usize),
    gradient: Option<&Gradient>,
    frozen: &[bool],
    names: &[String],
) -> TokenStream {
    if is_only_checked() {
        return quote! {
            #[doc(hidden)]
            #[allow(non_snake_case, clippy::all)]
            fn #name() -> &'static ::mlx_runtime::__private::rows::Kernel { loop {} }
        };
    }
    let statics = statics(forward, gradient, frozen, names);
    quote! {
        #[doc(hidden)]
        #[allow(non_snake_case)]
        fn #name() -> &'static ::mlx_runtime::__private::rows::Kernel {
            use ::mlx_runtime::__private::rows as __r;
            #statics
            &__KERNEL
        }
    }
}

/// A kernel with its gradient as a constant, and the bodies for the CPU. `names` are the sizes that a call gives.
fn statics(
    (forward, results): (&Program, usize),
    gradient: Option<&Gradient>,
    frozen: &[bool],
    names: &[String],
) -> TokenStream {
    let narrow = gradient.and_then(Gradient::narrow);
    let (forward_body, forward) = written(forward, "Forward", names);
    let (gradient_body, gradient) = derived(gradient, "Backward", names);
    let (narrow_body, narrow) = derived(narrow.as_ref(), "Narrow", names);
    quote! {
        #forward_body #gradient_body #narrow_body
        static __KERNEL: __r::Kernel = __r::Kernel {
            forward: #forward, results: #results, gradient: #gradient, narrow: #narrow, frozen: &[#(#frozen),*],
        };
    }
}

/// A gradient's body and the gradient as a constant, if there is one.
fn derived(
    gradient: Option<&Gradient>,
    name: &str,
    names: &[String],
) -> (TokenStream, TokenStream) {
    let Some(g) = gradient else {
        return (quote! {}, quote! { None });
    };
    let (body, program) = written(&g.program, name, names);
    let inputs = g.inputs.iter().map(|s| match s {
        Source::Input(i) => quote! { __r::Source::Input(#i) },
        Source::Cotangent(i) => quote! { __r::Source::Cotangent(#i) },
        Source::Output(i) => quote! { __r::Source::Output(#i) },
    });
    let outputs = g.outputs.iter().map(|d| {
        let (inputs, axes) = (&d.inputs, d.sum.iter().map(|a| *a as i32));
        quote! { (&[#(#inputs),*], &[#(#axes),*]) }
    });
    let gradient = quote! {
        Some(__r::Gradient { program: #program, inputs: &[#(#inputs),*], outputs: &[#(#outputs),*] })
    };
    (body, gradient)
}

/// The type that holds a program's work on a row, and the program as a constant.
fn written(p: &Program, name: &str, names: &[String]) -> (TokenStream, TokenStream) {
    let name = format_ident!("__{name}");
    let Written { body, program } = write(p, names);
    match is_written(p) {
        true => (
            quote! {
                struct #name;
                impl __r::Body for #name {
                    #[inline(always)]
                    #[allow(unused, clippy::all)]
                    fn row(__row: __r::Row<'_, '_>) { #body }
                }
            },
            quote! { { let cpu = Some(__r::Cpu::of::<#name>()); #program } },
        ),
        false => (quote! {}, quote! { { let cpu = None; #program } }),
    }
}
