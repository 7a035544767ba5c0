//! Writes the bytes that each method keeps, as functions of the shapes of its arguments.
//!
//! Tests: `mlx-tests --test kept_bytes`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::{quote, ToTokens};
use syn::Ident;

use super::args::dim_var;
use crate::ir::Graph;
use crate::lower::{config, dim, estimated_size, layer};
use crate::plan::checkpoint::{has_kernels, saved, Form, Keeper, Saved};
use crate::syntax::dims::{is_free, Dim};
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Method, Ty};

/// `Definition::saved`, with an arm for each method.
pub fn saved_by_method(model: &ModelDef, methods: &[Method], graphs: &[Graph]) -> TokenStream {
    let arms = methods.iter().zip(graphs).map(|(m, g)| {
        let (name, body) = (m.name.to_string(), Emit::new(model, m).body(g));
        quote! { #name => { #body } }
    });
    quote! {
        fn saved(&self, __method: &str, __x: &[&[i64]], __on: &::mlx_runtime::__private::Computed) -> ::mlx_runtime::__private::Saved {
            use ::mlx_runtime::__private as __rt;
            match __method {
                #(#arms)*
                _ => ::core::default::Default::default(),
            }
        }
    }
}

/// Values that a helper function keeps, for the module beside it.
pub fn of_function(model: &ModelDef, method: &Method, graph: &Graph) -> TokenStream {
    function(Emit::new(model, method).body(graph))
}

/// In place of it where the function has mistakes: its callers get none of their own.
pub fn of_nothing() -> TokenStream {
    function(quote! { ::core::default::Default::default() })
}

fn function(body: TokenStream) -> TokenStream {
    quote! {
        #[allow(unused_variables, unused_imports, clippy::all)]
        pub fn saved(__x: &[&[i64]], __on: &::mlx_runtime::__private::Computed) -> ::mlx_runtime::__private::Saved {
            use ::mlx_runtime::__private as __rt;
            #body
        }
    }
}

/// The polynomials as Rust.
struct Emit<'a> {
    model: &'a ModelDef,
    method: &'a Method,
    /// The sizes that are named, each computed once.
    sizes: RefCell<BTreeMap<String, TokenStream>>,
}

impl<'a> Emit<'a> {
    fn new(model: &'a ModelDef, method: &'a Method) -> Self {
        Emit {
            model,
            method,
            sizes: RefCell::default(),
        }
    }
}

impl Emit<'_> {
    fn body(&self, graph: &Graph) -> TokenStream {
        let config = (!self.model.function).then(|| quote! { let __c = self.__mlx.config(); });
        let of = |form| self.sum(&saved(self.model, graph, form));
        let sum = match has_kernels(graph) {
            true => {
                let (kernels, composed) = (of(Form::Kernels), of(Form::Composed));
                quote! { if __on.kernels { #kernels } else { #composed } }
            }
            false => of(Form::Kernels),
        };
        let sizes = self.sizes.borrow();
        let sizes = sizes.iter().map(|(name, size)| {
            let var = dim_var(name);
            quote! { let #var = #size; }
        });
        quote! {
            #config
            #(#sizes)*
            #sum
        }
    }

    /// Free dims are those of the arguments.
    fn size(&self, d: &Dim) -> TokenStream {
        dim(d, |n| {
            let shapes = self.method.args.iter().filter_map(|a| match &a.ty {
                Ty::Tensor(shape, _) => Some(shape),
                _ => None,
            });
            let place = shapes.enumerate().find_map(|(i, shape)| {
                Some((i, shape.iter().position(|d| d.as_name() == Some(n))?))
            });
            let size = match place {
                Some((i, j)) => quote! { __rt::size_at(__x, #i, #j) },
                None if is_free(n) || self.model.function => quote! { 1i64 },
                None => estimated_size(&self.model.names, n),
            };
            self.sizes.borrow_mut().insert(n.to_string(), size);
            dim_var(n).to_token_stream()
        })
    }

    fn sum(&self, saved: &Saved) -> TokenStream {
        let s = quote! { __rt::Saved };
        let (values, scores) = (self.size(&saved.values), self.size(&saved.scores));
        let plain = self.size(&saved.plain);
        let inputs = saved.inputs.iter().map(|(fields, d)| {
            let (size, trained) = (self.size(d), fields.iter().map(|f| self.trained(f)));
            quote! { .plus(#s::values(if #(#trained)||* { #size } else { 0 })) }
        });
        let calls = saved.calls.iter().map(|(keeper, shapes)| {
            let shapes = shapes.iter().map(|s| {
                let sizes = s.iter().map(|d| self.size(d));
                quote! { &[#(#sizes),*] }
            });
            let args = quote! { &[#(#shapes),*], __on };
            let call = match keeper {
                Keeper::Model(f) => self.each(
                    f,
                    quote! { |m| __rt::Definition::saved(m, "forward", #args) },
                ),
                Keeper::Other(f, method) => {
                    let name = method.to_string();
                    self.each(f, quote! { |m| __rt::Definition::saved(m, #name, #args) })
                }
                Keeper::Layers(f) => self.each(f, quote! { |m| __rt::saved_layers(m, #args) }),
                Keeper::Method(m) => {
                    let name = m.to_string();
                    quote! { __rt::Definition::saved(self, #name, #args) }
                }
                Keeper::Function(path) => quote! { #path::Explained::saved(#args) },
            };
            quote! { .plus(#call) }
        });
        let arms = saved.arms.iter().map(|(condition, then, otherwise)| {
            let condition = config::tokens(condition, &layer());
            let (then, otherwise) = (self.sum(then), self.sum(otherwise));
            quote! { .plus(if #condition { #then } else { #otherwise }) }
        });
        quote! {
            #s::kept(#values, #scores, #plain, __on) #(#inputs)* #(#calls)* #(#arms)*
        }
    }

    fn optional(&self, field: &str) -> bool {
        let mut all = self.model.fields.iter();
        all.any(|f| f.name == field && f.when.is_some())
    }

    /// `f` of a field, or nothing where the field is absent.
    fn each(&self, field: &Ident, f: TokenStream) -> TokenStream {
        match self.optional(&field.to_string()) {
            true if self.boxed(field) => {
                quote! { self.#field.as_deref().map(#f).unwrap_or_default() }
            }
            true => quote! { self.#field.as_ref().map(#f).unwrap_or_default() },
            false if self.boxed(field) => quote! { (#f)(&*self.#field) },
            false => quote! { (#f)(&self.#field) },
        }
    }

    fn boxed(&self, field: &Ident) -> bool {
        let mut all = self.model.fields.iter();
        all.any(|f| f.name == *field && f.boxed)
    }

    fn trained(&self, field: &str) -> TokenStream {
        let Some(name) = self
            .model
            .fields
            .iter()
            .map(|f| &f.name)
            .find(|f| *f == field)
        else {
            return quote! { true };
        };
        match self.optional(field) {
            true => quote! { self.#name.as_ref().is_some_and(|l| l.keeps_input()) },
            false => quote! { self.#name.keeps_input() },
        }
    }
}
