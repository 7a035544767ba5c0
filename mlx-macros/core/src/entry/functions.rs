//! Expands `#[mlx_fn]`: helper functions that belong to no model.
//!
//! Tests: `tests/right.rs`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ItemFn;

use super::kernels::Options;
use crate::check::{build, recursion, tuples};
use crate::diag::{suggest, Diag, Result};
use crate::fuse;
use crate::ir::Graph;
use crate::kernel::regions;
use crate::lower::define::sig;
use crate::lower::{self, checkpoint};
use crate::report::explain;
use crate::syntax::condition;
use crate::syntax::dims::is_free;
use crate::syntax::logic::Facts;
use crate::syntax::model::{self, ModelDef};
use crate::syntax::names::Names;
use crate::syntax::nesting;
use crate::syntax::signature::{self, Method, Ty};
use crate::syntax::switches::Switches;

/// The output for a function with `#[mlx_fn]`: the function, and beside it a module of the same
/// name with its signature, which one `use` brings along.
pub fn expand(item: TokenStream) -> TokenStream {
    match parsed(item, Diag::fn_on_other) {
        Ok(f) => write(&f, None, &mut |_| true),
        Err(tokens) => tokens,
    }
}

/// The function, or the tokens of the mistake that it is none.
pub(super) fn parsed(
    item: TokenStream,
    none: fn(Span) -> Diag,
) -> std::result::Result<ItemFn, TokenStream> {
    if let Err(e) = nesting::check(&item) {
        return Err(e.to_tokens());
    }
    match syn::parse2::<ItemFn>(item.clone()) {
        Ok(mut f) => {
            super::model::outside(&mut f.attrs);
            tuples::apart(&mut f.sig, &mut f.block);
            Ok(f)
        }
        Err(e) => {
            let error = none(e.span()).to_tokens();
            Err(quote! { #error #item })
        }
    }
}

/// A function, as a kernel if it is one, with the mistakes that `says` lets through.
pub(super) fn write(
    f: &ItemFn,
    kernel: Option<&Options>,
    says: &mut dyn FnMut(&Diag) -> bool,
) -> TokenStream {
    let model = no_model(f);
    let (method, mut graph) = read(&model, f);
    let mut parts = None;
    if let (Ok(read), Some(options)) = (&graph, kernel) {
        match options.parts(&model, &method, read) {
            Ok(found) => parts = Some(found),
            Err(errors) => graph = graph.and_then(|g| Err(Box::new((errors, g)))),
        }
    }
    let (name, vis, signature) = (
        &method.name,
        &method.vis,
        sig(&method.name.to_string(), &method),
    );
    // Other operations than MLX's own would be no reference for a kernel.
    if let (Ok(graph), None) = (&mut graph, &parts) {
        fuse::run(&model, graph);
        if kernel.is_none() {
            regions::run(&model, &method, graph);
        }
    }
    let saved = match &graph {
        Ok(_) if parts.is_some() => {
            let kept = parts
                .iter()
                .map(|p| p.kept(&method))
                .next()
                .unwrap_or_default();
            checkpoint::of_function(&model, &method, &kept)
        }
        Ok(graph) => checkpoint::of_function(&model, &method, graph),
        Err(_) => checkpoint::of_nothing(),
    };
    let called = graph.iter().flat_map(recursion::called);
    let depth = called.map(|f| quote! { + #f::Explained::CALLS_END as u32 });
    // Written outside of the module, where the paths in the body mean something. A circle of
    // functions is a circle of constants, which rustc refuses.
    let of_callees = quote! {
        #[doc(hidden)]
        #[allow(missing_docs)]
        impl #name::Explained {
            #saved
            pub const CALLS_END: bool = (0u32 #(#depth)*) < u32::MAX;
        }
        const _: bool = #name::Explained::CALLS_END;
    };
    let report = explain::function(&model, &method, graph.as_ref().ok(), parts.is_some());
    let check = parts.as_ref().map(|p| p.check(&method));
    let function = match graph {
        Ok(graph) => match &parts {
            Some(parts) => parts.function(&model, &method, &graph),
            None => {
                let (function, kernels) = (
                    lower::function(&model, &method, &graph),
                    lower::region::kernels(&model, &graph),
                );
                quote! { #function #kernels }
            }
        },
        Err(wrong) => {
            let (errors, graph) = *wrong;
            let errors = errors.iter().filter(|e| says(e)).map(Diag::to_tokens);
            let errors: Vec<TokenStream> = errors.collect();
            let checks = lower::checks(&model, &graph);
            let placeholder = lower::placeholder(&method, false);
            quote! { #(#errors)* #placeholder const _: fn() = || { #checks }; }
        }
    };
    quote! {
        #function
        #[doc(hidden)]
        #[allow(missing_docs)]
        #vis mod #name {
            pub const SIG: ::mlx_runtime::__private::Sig = #signature;
            #[derive(Clone, Copy, Debug)]
            pub struct Explained;
        }
        #of_callees
        #report
        #check
    }
}

/// Every mistake in a function.
pub fn mistakes(f: &ItemFn) -> Vec<Diag> {
    let (_, graph) = read(&no_model(f), f);
    graph.err().map_or(vec![], |wrong| wrong.0)
}

/// The graph of a function, or all its mistakes and the graph of what is right in it.
pub(super) type Read = std::result::Result<Graph, Box<(Vec<Diag>, Graph)>>;

pub(super) fn read(model: &ModelDef, f: &ItemFn) -> (Method, Read) {
    let requires = model::requires(&f.attrs).and_then(|r| of_sizes(f, &r));
    let found = requires.and_then(|()| signature::function(f, &model.names));
    let method = match found.and_then(|m| without_config(&m).map(|()| m)) {
        Ok(m) => m,
        Err(e) => {
            let names = Names::default();
            let method = signature::stand_in(&f.attrs, &f.vis, &f.sig, &f.block, &names);
            return (method, Err(Box::new((vec![e], Graph::default()))));
        }
    };
    let graph = build::graph(model, &[], &method).and_then(|graph| {
        match recursion::of_function(&method, &graph) {
            errors if errors.is_empty() => Ok(graph),
            errors => Err(Box::new((errors, Graph::default()))),
        }
    });
    (method, graph)
}

/// The model of a function: no fields and no config.
pub(super) fn no_model(f: &ItemFn) -> ModelDef {
    let name = &f.sig.ident;
    // Mistakes in them are reported with those of the signature.
    let requires = model::requires(&f.attrs).unwrap_or_default();
    let facts = Facts::default();
    let facts = requires.iter().fold(facts, |all, r| all.and(r, true));
    ModelDef {
        item: syn::parse_quote! { struct #name; },
        config: syn::parse_quote!(core::convert::Infallible),
        names: Names {
            facts,
            ..Names::default()
        },
        requires,
        fields: vec![],
        fuse: Switches::All,
        digest: None,
        function: true,
        config_unknown: false,
        broken: false,
        allowed: vec![],
        source: vec![],
    }
}

/// A function knows its own sizes alone.
fn of_sizes(f: &ItemFn, requires: &[syn::Expr]) -> Result<()> {
    let Ok(m) = signature::function(f, &no_model(f).names) else {
        return Ok(());
    };
    let free = m.free_dims();
    let names = requires.iter().flat_map(condition::fields);
    match names.into_iter().find(|n| !free.contains(&n.to_string())) {
        Some(n) => {
            let near = suggest(&n.to_string(), free.iter().map(String::as_str));
            Err(Diag::free_dim_unbound(n.span(), &n, near))
        }
        None => Ok(()),
    }
}

/// The sizes of a function come from its arguments.
fn without_config(m: &Method) -> Result<()> {
    let all = m.args.iter().map(|a| (&a.ty, a.span));
    for (ty, span) in all.chain([(&m.ret, m.ret_span)]) {
        let parts = match ty {
            Ty::Tuple(all) => &all[..],
            one => std::slice::from_ref(one),
        };
        for part in parts {
            let Ty::Tensor(shape, _) = part else { continue };
            if let Some(name) = shape.iter().flat_map(|d| d.names()).find(|n| !is_free(n)) {
                return Err(Diag::config_dim_in_function(span, name));
            }
        }
    }
    Ok(())
}
