//! `#[mlx_fn]`: helper functions of the language, free of any model, and calls of them.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{Expr, ItemFn, Path};

use crate::build::{self, Builder};
use crate::calls::{place, result};
use crate::condition::is_keyword;
use crate::define::sig;
use crate::diag::{Diag, Result};
use crate::dims::{is_free, Names};
use crate::explain;
use crate::fuse;
use crate::ir::{Arg, Callee, Graph, Id, Kind};
use crate::lower;
use crate::nesting;
use crate::parse::ModelDef;
use crate::recursion;
use crate::signature::{self, Method, Ty};
use crate::values::path_text;

/// The output for a function with `#[mlx_fn]`: the function, and beside it a module of the same
/// name with its signature, which one `use` brings along.
pub fn expand(item: TokenStream) -> TokenStream {
    if let Err(e) = nesting::check(&item) {
        return e.to_tokens();
    }
    let f = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(mut f) => {
            crate::outside(&mut f.attrs);
            f
        }
        Err(e) => {
            let error = Diag::fn_on_other(e.span()).to_tokens();
            return quote! { #error #item };
        }
    };
    let model = no_model(&f);
    let (method, mut graph) = read(&model, &f);
    let (name, vis, signature) = (
        &method.name,
        &method.vis,
        sig(&method.name.to_string(), &method),
    );
    if let Ok(graph) = &mut graph {
        fuse::run(&model, graph);
    }
    let saved = match &graph {
        Ok(graph) => crate::checkpoint::of_function(&model, &method, graph),
        Err(_) => crate::checkpoint::of_nothing(),
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
    let report = explain::function(&model, &method, graph.as_ref().ok());
    let function = match graph {
        Ok(graph) => lower::function(&model, &method, &graph),
        Err(wrong) => {
            let (errors, graph) = *wrong;
            let errors = errors.iter().map(Diag::to_tokens);
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
    }
}

/// Every mistake in a function.
pub fn mistakes(f: &ItemFn) -> Vec<Diag> {
    let (_, graph) = read(&no_model(f), f);
    graph.err().map_or(vec![], |wrong| wrong.0)
}

/// The graph of a function, or all its mistakes and the graph of what is right in it.
type Read = std::result::Result<Graph, Box<(Vec<Diag>, Graph)>>;

fn read(model: &ModelDef, f: &ItemFn) -> (Method, Read) {
    let method = match signature::function(f).and_then(|m| without_config(&m).map(|()| m)) {
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
fn no_model(f: &ItemFn) -> ModelDef {
    let name = &f.sig.ident;
    ModelDef {
        item: syn::parse_quote! { struct #name; },
        config: syn::parse_quote!(core::convert::Infallible),
        names: Names::default(),
        requires: vec![],
        fields: vec![],
        fuse: fuse::Switches::All,
        digest: None,
        function: true,
        known: vec![],
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

impl Builder<'_> {
    /// A helper function, of which only the name is known here: its result is what the place
    /// declares, else the shape of its first tensor. rustc compares both with its signature.
    pub(crate) fn function(
        &mut self,
        path: &Path,
        args: &[&Expr],
        span: Span,
        wanted: Option<&Ty>,
    ) -> Result<Id> {
        if let Some(last) = path.segments.last().filter(|s| is_keyword(&s.ident)) {
            let near = String::new();
            return Err(Diag::unknown_operation(last.span(), &last.ident, near));
        }
        let values = self.values(args)?;
        let first = values
            .iter()
            .map(|(id, _)| self.ty(*id))
            .find(|t| matches!(t, Ty::Tensor(..) | Ty::Unknown));
        let ret = match (wanted, first) {
            (_, Some(Ty::Unknown)) => return Ok(self.unknown(span)),
            (w, Some(t)) => result(w, t),
            (_, None) => {
                return Err(Diag::no_tensor(path.span(), path_text(path)));
            }
        };
        let callee = (Callee::Function(path.clone()), path_text(path));
        let call = self.expect(callee, &values, (ret.clone(), place(wanted)));
        let args = values.iter().map(|(id, _)| Arg::Value(*id)).collect();
        Ok(self.push(Kind::Function { args, call }, ret, span))
    }
}
