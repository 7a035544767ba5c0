//! Expands `#[mlx_kernel]`: functions that are one launch.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test kernels`, `mlx-tests --test ui`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned, ToTokens};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, FnArg, ItemFn, Path, Token};

use super::{functions, optional};
use crate::diag::{Diag, Result};
use crate::ir::{Arg, Graph, Kind, Node, Op, Tier, P};
use crate::kernel::ir::{Gradient, Program, Source};
use crate::kernel::{read, vjp};
use crate::lower;
use crate::ops::keeps::{INPUTS, NOTHING};
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Dt, Method, Ty};

/// The output for a function with `#[mlx_kernel]`.
pub fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    let f = match functions::parsed(item, Diag::kernel_on_other) {
        Ok(f) => f,
        Err(tokens) => return tokens,
    };
    match optional::expand(&attr, &f) {
        Some(variants) => variants,
        None => expand_one(attr, f, &mut |_| true),
    }
}

/// The output for a kernel all of whose arguments are there, with the mistakes that `says` lets through.
pub(super) fn expand_one(
    attr: TokenStream,
    mut f: ItemFn,
    says: &mut dyn FnMut(&Diag) -> bool,
) -> TokenStream {
    match Options::of(attr, &mut f) {
        Ok(options) => functions::write(&f, Some(&options), says),
        Err(e) => {
            let error = says(&e).then(|| e.to_tokens());
            let function = functions::write(&f, None, says);
            quote! { #error #function }
        }
    }
}

/// Every mistake in a kernel.
pub fn mistakes(attr: TokenStream, mut f: ItemFn) -> Vec<Diag> {
    match optional::variants(&f) {
        Ok(all) if all.is_empty() => {}
        Ok(all) => {
            let mut says = optional::once();
            let each = all.into_iter();
            let all = each.flat_map(|v| mistakes(attr.clone(), v.function));
            return all.filter(|e| says(e)).collect();
        }
        Err(wrong) => return wrong,
    }
    let options = match Options::of(attr, &mut f) {
        Ok(options) => options,
        Err(e) => return vec![e],
    };
    let model = functions::no_model(&f);
    match functions::read(&model, &f) {
        (_, Err(wrong)) => wrong.0,
        (method, Ok(graph)) => options
            .parts(&model, &method, &graph)
            .err()
            .unwrap_or_default(),
    }
}

/// The row program of a kernel and its gradient, or the program alone where one launch cannot give it.
type Read = (
    Program,
    std::result::Result<Option<Gradient>, vjp::NoGradient>,
);

/// The row program of a kernel and its gradient as they run, for tests and tools; `None` if it has mistakes.
pub fn programs(f: &ItemFn) -> Option<Read> {
    let mut f = f.clone();
    let options = Options::of(TokenStream::new(), &mut f).ok()?;
    let model = functions::no_model(&f);
    let (method, graph) = functions::read(&model, &f);
    let program = read::read(&model.names, &method, &graph.ok()?).ok()?;
    Some(
        match vjp::keeping(&program, &options.frozen_tensors(&method)) {
            Ok((kernel, gradient)) => (kernel, Ok(gradient)),
            Err(e) => (program, Err(e)),
        },
    )
}

/// The attributes of a kernel.
pub(super) struct Options {
    /// A function that computes the gradient.
    vjp: Option<Path>,
    /// For each argument, true if it has no gradient.
    frozen: Vec<bool>,
}

/// A kernel that is right.
pub(super) struct Parts {
    program: Program,
    gradient: Option<Gradient>,
    frozen: Vec<bool>,
    vjp: Option<Path>,
}

impl Options {
    fn of(attr: TokenStream, f: &mut ItemFn) -> Result<Options> {
        let mut vjp = None;
        for e in Punctuated::<Expr, Token![,]>::parse_terminated.parse2(attr)? {
            let Expr::Assign(a) = &e else {
                return Err(Diag::kernel_argument(e.span(), e.to_token_stream()));
            };
            match (&*a.left, &*a.right) {
                (Expr::Path(key), Expr::Path(value))
                    if key.path.is_ident("vjp") && vjp.is_none() =>
                {
                    vjp = Some(value.path.clone());
                }
                _ => return Err(Diag::kernel_argument(e.span(), e.to_token_stream())),
            }
        }
        let (mut frozen, mut wrong) = (Vec::new(), None);
        for a in &mut f.sig.inputs {
            let FnArg::Typed(a) = a else { continue };
            frozen.push(a.attrs.iter().any(|a| a.path().is_ident("frozen")));
            let float = match &*a.ty {
                syn::Type::Macro(m) => !["; i32", "; u32", "; bool"]
                    .iter()
                    .any(|d| m.mac.tokens.to_string().ends_with(d)),
                _ => false,
            };
            for attr in std::mem::take(&mut a.attrs) {
                if !attr.path().is_ident("frozen") || !matches!(attr.meta, syn::Meta::Path(_)) {
                    wrong.get_or_insert(Diag::kernel_attribute(
                        attr.span(),
                        attr.path().to_token_stream(),
                    ));
                } else if !float {
                    wrong.get_or_insert(Diag::kernel_frozen(attr.span(), a.pat.to_token_stream()));
                }
            }
        }
        match wrong {
            Some(e) => Err(e),
            None => Ok(Options { vjp, frozen }),
        }
    }

    /// For each tensor, true if it has no gradient.
    fn frozen_tensors(&self, m: &Method) -> Vec<bool> {
        let tensors = m
            .args
            .iter()
            .zip(&self.frozen)
            .filter(|(a, _)| matches!(a.ty, Ty::Tensor(..)));
        tensors.map(|(_, frozen)| *frozen).collect()
    }

    /// The kernel, or every reason why it is none.
    pub(super) fn parts(
        &self,
        model: &ModelDef,
        m: &Method,
        graph: &Graph,
    ) -> std::result::Result<Parts, Vec<Diag>> {
        let program = read::read(&model.names, m, graph)?;
        let frozen = self.frozen_tensors(m);
        let (program, gradient) = match &self.vjp {
            Some(path) if lower::kernel_trained(m, &frozen).is_empty() => {
                return Err(vec![Diag::kernel_vjp_of_nothing(path.span())]);
            }
            Some(_) => (program, None),
            // A gradient that one launch cannot compute is composed of MLX's operations.
            None => vjp::keeping(&program, &frozen).unwrap_or((program, None)),
        };
        Ok(Parts {
            program,
            gradient,
            frozen,
            vjp: self.vjp.clone(),
        })
    }
}

/// A kernel as a node of a graph: it keeps what its gradient reads.
static KERNEL: Op = Op {
    name: "kernel",
    params: &[("read", P::Tensors)],
    tier: Tier::Launch,
    rule: crate::ops::rules::same,
    keeps: INPUTS,
};

/// A result of a kernel.
static RESULT: Op = Op {
    name: "result",
    params: &[],
    tier: Tier::Launch,
    rule: crate::ops::rules::same,
    keeps: NOTHING,
};

impl Parts {
    /// The function.
    pub(super) fn function(&self, model: &ModelDef, m: &Method, graph: &Graph) -> TokenStream {
        let parts = lower::kernel::Parts {
            program: &self.program,
            gradient: self.gradient.as_ref(),
            frozen: &self.frozen,
            vjp: self.vjp.as_ref(),
        };
        lower::kernel::kernel(model, m, graph, &parts)
    }

    /// A graph that keeps for the backward pass what the kernel keeps.
    pub(super) fn kept(&self, m: &Method) -> Graph {
        let mut graph = Graph::default();
        let (mut tensors, mut all) = (Vec::new(), Vec::new());
        for a in &m.args {
            graph.nodes.push(Node {
                kind: Kind::Input(a.name.clone()),
                ty: a.ty.clone(),
                span: a.span,
                name: Some(a.name.to_string()),
            });
            if let Ty::Tensor(_, d) = &a.ty {
                all.push(*d);
                tensors.push(graph.nodes.len() - 1);
            }
        }
        let reads = |i: usize| match &self.gradient {
            Some(g) => g.inputs.contains(&Source::Input(i)),
            None => matches!(all[i], Dt::Float | Dt::F32),
        };
        let mut read: Vec<usize> = (0..tensors.len())
            .filter(|i| reads(*i))
            .map(|i| tensors[i])
            .collect();
        for source in self.gradient.iter().flat_map(|g| &g.inputs) {
            let Source::Output(i) = source else { continue };
            let o = &self.program.outputs[*i];
            read.push(graph.nodes.len());
            graph.nodes.push(Node {
                kind: Kind::Op {
                    op: &RESULT,
                    args: vec![],
                },
                ty: Ty::Tensor(o.shape.clone(), o.dtype),
                span: m.ret_span,
                name: None,
            });
        }
        graph.nodes.push(Node {
            kind: Kind::Op {
                op: &KERNEL,
                args: vec![Arg::Values(read)],
            },
            ty: m.ret.clone(),
            span: m.ret_span,
            name: None,
        });
        graph.result = Some(graph.nodes.len() - 1);
        graph
    }

    /// A constant by which rustc compares the signature of the function that computes the gradient.
    pub(super) fn check(&self, m: &Method) -> TokenStream {
        let Some(path) = &self.vjp else {
            return quote! {};
        };
        let (name, frozen) = (&m.name, &self.frozen);
        quote_spanned! { path.span() =>
            const _: () = ::mlx_runtime::__private::check_gradient(&#path::SIG, &#name::SIG, &[#(#frozen),*]);
        }
    }
}
