//! Loops that add values up while they compute them.
//!
//! The sum's parts are the lanes of a vector, whatever the processor: each value is an array of as many columns, so that
//! the compiler finds the vectors.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test kernels`.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::{slice, variable, Writer};
use crate::kernel::ir::{Op, V};
use crate::kernel::schedule::{Home, Loop};

impl Writer<'_> {
    /// A loop as a function that returns the sums. `columns` are its statements for column `i` of the slices.
    pub(super) fn with_sums(
        &self,
        l: &Loop,
        name: &Ident,
        params: &[TokenStream],
        slices: &[Ident],
        values: &BTreeSet<V>,
        columns: &TokenStream,
    ) -> TokenStream {
        let stored = l.targets.iter().enumerate().filter(|(_, t)| t.stored);
        let outputs: Vec<Ident> = stored.clone().map(|(i, _)| format_ident!("o{i}")).collect();
        let summed: Vec<V> = l
            .targets
            .iter()
            .filter(|t| t.summed)
            .map(|t| t.value)
            .collect();
        let terms: Vec<Ident> = summed.iter().map(|v| variable(*v)).collect();
        let totals: Vec<Ident> = (0..summed.len())
            .map(|i| format_ident!("total{i}"))
            .collect();
        let parts: Vec<Ident> = (0..summed.len())
            .map(|i| format_ident!("part{i}"))
            .collect();
        let rests: Vec<Ident> = slices.iter().map(|x| format_ident!("rest_{x}")).collect();
        let out_rests: Vec<Ident> = outputs.iter().map(|o| format_ident!("rest_{o}")).collect();
        let lets = values.iter().map(|v| {
            let (name, value) = (variable(*v), self.lane(*v, values));
            quote! { let #name = lanes(|lane| #value); }
        });
        let stores = stored.map(|(i, t)| {
            let (o, v) = (format_ident!("o{i}"), variable(t.value));
            match self.s.home[t.value] {
                _ if values.contains(&t.value) => quote! { #o[at] = #v; },
                Home::Variable => quote! { #o[at] = [#v; LANES]; },
                _ => {
                    let x = slice(t.value);
                    quote! { #o[at] = *#x; }
                }
            }
        });
        let count = totals.len();
        quote! {
            #[inline(always)]
            fn #name(n: usize, #(#params),*) -> [f32; #count] {
                use __r::reduce::{lanes, Sum, LANES, TERMS};
                #(let (#slices, #rests) = #slices[..n].as_chunks::<LANES>();)*
                #(let (#outputs, #out_rests) = #outputs[..n].as_chunks_mut::<LANES>();)*
                let all = n / LANES;
                #(let #slices = &#slices[..all];)*
                #(let #outputs = &mut #outputs[..all];)*
                #(let mut #totals = Sum::default();)*
                let mut from = 0;
                while from < all {
                    let to = all.min(from + TERMS);
                    #(let mut #parts = [0f32; LANES];)*
                    for at in from..to {
                        #(let #slices = &#slices[at];)*
                        #(#lets)*
                        #(#stores)*
                        #(for lane in 0..LANES { #parts[lane] += #terms[lane]; })*
                    }
                    #(#totals.add(#parts);)*
                    from = to;
                }
                #(let #slices = #rests;)*
                #(let #outputs = #out_rests;)*
                for i in 0..n % LANES {
                    #columns
                    #(#totals.add_one(i, #terms);)*
                }
                [#(#totals.total()),*]
            }
        }
    }

    /// A value in a lane.
    fn lane(&self, v: V, values: &BTreeSet<V>) -> TokenStream {
        let read = |o: V| match self.s.home[o] {
            _ if values.contains(&o) => {
                let o = variable(o);
                quote! { #o[lane] }
            }
            Home::Variable => {
                let o = variable(o);
                quote! { #o }
            }
            _ => {
                let x = slice(o);
                quote! { #x[lane] }
            }
        };
        match &self.p.values[v].op {
            Op::Cut { .. } => {
                let c = format_ident!("c{v}");
                quote! { #c[lane] }
            }
            op => self.computed(op, v, read),
        }
    }
}
