//! Writes a row program as safe Rust for the CPU: the body of one row, and the data from which the runtime finds the
//! elements of each row.
//!
//! A loop is a function of its own, so that the compiler knows that its slices do not overlap.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test kernels`.

mod lanes;
mod program;
mod scalars;
mod sizes;

use std::collections::BTreeSet;

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::Ident;

use crate::kernel::ir::{Op, Program, Reduce, Scalar, V};
use crate::kernel::schedule::{Home, Loop, Schedule, Target};
use crate::syntax::dims::Dim;
use scalars::{binary, cast, constant, ty, unary};
use sizes::Sizes;

/// A program for the runtime.
pub struct Written {
    /// The statements of `Body::row`, where `__row` is the row.
    pub body: TokenStream,
    /// The program as a constant expression of the runtime's type, where `cpu` is the CPU's entry.
    pub program: TokenStream,
}

/// Names of sizes whose values the call gives, in order.
pub fn names(programs: &[&Program]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for p in programs {
        let mut sizes = Sizes::default();
        sizes.of_program(p);
        for d in &sizes.all {
            names.extend(d.terms().flat_map(|t| t.0.iter().cloned()));
        }
    }
    names.into_iter().collect()
}

struct Writer<'a> {
    p: &'a Program,
    s: Schedule,
    sizes: Sizes,
    /// Loads in order, by value.
    loads: Vec<V>,
}

/// The program in Rust.
///
/// `names` are the sizes that the call gives, of [`names`]. `None` where the runtime does not reach an element: an index
/// of rows that the program computes.
pub fn write(p: &Program, names: &[String]) -> Written {
    let mut sizes = Sizes::default();
    sizes.of_program(p);
    let live = p.live();
    let loads =
        (0..p.values.len()).filter(|v| live[*v] && matches!(p.values[*v].op, Op::Load { .. }));
    let w = Writer {
        p,
        s: Schedule::of(p),
        sizes,
        loads: loads.collect(),
    };
    let body = w.body();
    let program = w.program(names, &body.to_string());
    Written { body, program }
}

/// True if the CPU's host finds every element: rows are chosen only by indices that are loaded.
pub fn is_written(p: &Program) -> bool {
    p.values.iter().all(|v| match &v.op {
        Op::Load { at, .. } => at.computed.iter().all(|c| match &p.values[c.value].op {
            Op::Load { at, .. } => at.computed.is_empty() && p.values[c.value].width.is_none(),
            _ => false,
        }),
        _ => true,
    })
}

const KINDS: [Scalar; 4] = [Scalar::F32, Scalar::I32, Scalar::U32, Scalar::Bool];

fn fields(s: Scalar) -> (Ident, Ident) {
    let name = ty(s);
    (format_ident!("{name}s"), format_ident!("out_{name}s"))
}

fn slice(v: V) -> Ident {
    format_ident!("x{v}")
}

fn variable(v: V) -> Ident {
    format_ident!("v{v}")
}

fn sum(v: V) -> Ident {
    format_ident!("sum{v}")
}

fn buffer(b: usize) -> Ident {
    format_ident!("b{b}")
}

fn size(i: usize) -> Ident {
    format_ident!("d{i}")
}

impl Writer<'_> {
    fn dim(&self, d: &Dim) -> Ident {
        size(self.sizes.all.iter().position(|o| o == d).unwrap_or(0))
    }

    fn width(&self, v: V) -> Ident {
        match &self.p.values[v].width {
            Some(d) => self.dim(d),
            None => self.dim(&Dim::constant(1)),
        }
    }

    /// The buffers of a type, outputs first, as the runtime passes them.
    fn buffers(&self, kind: Scalar) -> Vec<usize> {
        let own = |b: &usize| self.s.buffers[*b].scalar == kind && self.s.buffers[*b].written;
        let all = 0..self.s.buffers.len();
        let (outputs, others): (Vec<usize>, Vec<usize>) = all
            .filter(own)
            .partition(|b| self.s.buffers[*b].output.is_some());
        [outputs, others].concat()
    }

    fn body(&self) -> TokenStream {
        let mut out = TokenStream::new();
        let sizes = (0..self.sizes.all.len()).map(size);
        out.extend(quote! { let &[#(#sizes),*] = __row.sizes else { return }; });
        let numbers = (0..self.p.numbers.len()).map(|i| format_ident!("n{i}"));
        out.extend(quote! { let &[#(#numbers),*] = __row.numbers else { return }; });
        for kind in KINDS {
            let (read, written) = fields(kind);
            let loads: Vec<Ident> = self
                .loads
                .iter()
                .filter(|v| self.p.values[**v].scalar == kind)
                .map(|v| slice(*v))
                .collect();
            if !loads.is_empty() {
                out.extend(quote! { let &[#(#loads),*] = __row.#read else { return }; });
            }
            let buffers: Vec<Ident> = self.buffers(kind).into_iter().map(buffer).collect();
            if !buffers.is_empty() {
                out.extend(quote! { let [#(#buffers),*] = __row.#written else { return }; });
            }
        }
        let mut rows = TokenStream::new();
        for kind in KINDS {
            let of_kind = self.loads.iter();
            let of_kind = of_kind.filter(|v| self.p.values[**v].scalar == kind);
            let loads: Vec<Ident> = of_kind.map(|v| slice(*v)).collect();
            let buffers: Vec<Ident> = self.buffers(kind).into_iter().map(buffer).collect();
            rows.extend(quote! {
                #(let #loads = #loads.row(__i);)*
                #(let #buffers = #buffers.row(__i);)*
            });
        }
        let each = self.row();
        quote! {
            #out
            for __i in 0..__row.count { #rows #each }
        }
    }

    /// The statements for one row.
    fn row(&self) -> TokenStream {
        let mut out = TokenStream::new();
        let mut count = 0;
        for level in &self.s.levels {
            for v in &level.variables {
                let (name, value) = (variable(*v), self.expression(*v, true));
                out.extend(quote! { let #name = #value; });
            }
            for l in &level.loops {
                out.extend(self.a_loop(l, count));
                count += 1;
            }
        }
        for o in &self.s.copies {
            let (to, v) = (buffer(*o), self.p.outputs[*o].value);
            let n = self.width(v);
            out.extend(match self.s.home[v] {
                Home::Variable => {
                    let value = variable(v);
                    quote! { if let Some(to) = #to.first_mut() { *to = #value; } }
                }
                Home::Buffer(b) => {
                    let from = buffer(b);
                    quote! { #to[..#n as usize].copy_from_slice(&#from[..#n as usize]); }
                }
                _ => {
                    let from = slice(v);
                    quote! { #to[..#n as usize].copy_from_slice(&#from[..#n as usize]); }
                }
            });
        }
        out
    }

    /// A slice of elements of a value that is in memory.
    fn memory(&self, v: V) -> TokenStream {
        let n = self.width(v);
        match self.s.home[v] {
            Home::Buffer(b) => {
                let b = buffer(b);
                quote! { &#b[..#n as usize] }
            }
            _ => {
                let x = slice(v);
                quote! { &#x[..#n as usize] }
            }
        }
    }

    fn a_loop(&self, l: &Loop, number: usize) -> TokenStream {
        let name = format_ident!("l{number}");
        let n = self.dim(&l.width);
        let mut values: BTreeSet<V> = BTreeSet::new();
        for t in &l.targets {
            values.extend(self.s.inside(self.p, t.value, t.part.is_none()));
        }
        // The values that the loop reads: slices of its own width, slices to choose from, and numbers.
        let (mut along, mut whole, mut numbers) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut read = |v: V| match self.s.home[v] {
            _ if values.contains(&v) => {}
            Home::Variable => _ = numbers.insert(v),
            _ => _ = along.insert(v),
        };
        for v in &values {
            match &self.p.values[*v].op {
                Op::Cut { .. } => {}
                Op::Take { index, .. } => read(*index),
                op => op.operands().into_iter().for_each(&mut read),
            }
        }
        for t in &l.targets {
            read(t.value);
        }
        let mut cuts = Vec::new();
        for v in &values {
            match &self.p.values[*v].op {
                Op::Cut { of, .. } => cuts.push((*v, *of)),
                Op::Take { of, .. } => _ = whole.insert(*of),
                _ => {}
            }
        }
        let (mut params, mut args, mut heads) = (Vec::new(), Vec::new(), TokenStream::new());
        for v in &along {
            let (x, t) = (slice(*v), ty(self.p.values[*v].scalar));
            params.push(quote! { #x: &[#t] });
            // The loop cuts it.
            args.push(match self.s.home[*v] {
                Home::Buffer(b) => {
                    let b = buffer(b);
                    quote! { &*#b }
                }
                _ => quote! { #x },
            });
            heads.extend(quote! { let #x = &#x[..n]; });
        }
        for (v, of) in &cuts {
            let (x, t) = (format_ident!("c{v}"), ty(self.p.values[*v].scalar));
            let from = self.memory(*of);
            params.push(quote! { #x: &[#t] });
            let Op::Cut { start, step, .. } = &self.p.values[*v].op else {
                continue;
            };
            let start = self.dim(start);
            args.push(quote! { &(#from)[#start as usize..] });
            match step.is_one() {
                true => heads.extend(quote! { let #x = &#x[..n]; }),
                false => {
                    let (s, by) = (format_ident!("s{v}"), self.dim(step));
                    params.push(quote! { #s: usize });
                    args.push(quote! { #by as usize });
                }
            }
        }
        for v in &whole {
            let (x, t) = (format_ident!("w{v}"), ty(self.p.values[*v].scalar));
            params.push(quote! { #x: &[#t] });
            args.push(self.memory(*v));
        }
        for v in &numbers {
            let (x, t) = (variable(*v), ty(self.p.values[*v].scalar));
            params.push(quote! { #x: #t });
            args.push(quote! { #x });
        }
        let (mut splits, mut split) = (TokenStream::new(), BTreeSet::new());
        let mut stores = Vec::new();
        for (i, t) in l.targets.iter().enumerate().filter(|(_, t)| t.stored) {
            let (o, kind) = (format_ident!("o{i}"), ty(self.s.buffers[t.buffer].scalar));
            params.push(quote! { #o: &mut [#kind] });
            heads.extend(quote! { let #o = &mut #o[..n]; });
            let b = buffer(t.buffer);
            match t.part {
                None => args.push(quote! { &mut #b[..] }),
                Some((join, part)) => {
                    if split.insert(join) {
                        splits.extend(self.split(join, t));
                    }
                    let p = format_ident!("p{join}_{part}");
                    args.push(quote! { &mut #p[..] });
                }
            }
            let value = self.at_column(t.value, &values);
            stores.push(quote! { #o[i] = #value; });
        }
        let lets = values.iter().map(|v| {
            let (name, value) = (variable(*v), self.in_loop(*v, &values));
            quote! { let #name = #value; }
        });
        if l.targets.iter().any(|t| t.summed) {
            let slices = along.iter().map(|v| slice(*v));
            let slices: Vec<Ident> = slices
                .chain(cuts.iter().map(|(v, _)| format_ident!("c{v}")))
                .collect();
            let columns = quote! { #(#lets)* #(#stores)* };
            let function = self.with_sums(l, &name, &params, &slices, &values, &columns);
            let sums = l.targets.iter().filter(|t| t.summed).map(|t| sum(t.value));
            return quote! {
                #function
                let [#(#sums),*] = { #splits #name(#n as usize, #(#args),*) };
            };
        }
        quote! {
            #[inline(always)]
            fn #name(n: usize, #(#params),*) {
                #heads
                for i in 0..n { #(#lets)* #(#stores)* }
            }
            { #splits #name(#n as usize, #(#args),*); }
        }
    }

    /// The parts of a joint's buffer.
    fn split(&self, join: V, t: &Target) -> TokenStream {
        let Op::Join(parts) = &self.p.values[join].op else {
            return quote! {};
        };
        let b = buffer(t.buffer);
        let mut out = quote! { let __rest: &mut [_] = &mut #b[..]; };
        for (i, (_, width)) in parts.iter().enumerate() {
            let (p, n) = (format_ident!("p{join}_{i}"), self.dim(width));
            out.extend(quote! { let (#p, __rest) = __rest.split_at_mut(#n as usize); });
        }
        quote! { #out let _ = __rest; }
    }

    /// A value at column `i` of a loop.
    fn at_column(&self, v: V, values: &BTreeSet<V>) -> TokenStream {
        match self.s.home[v] {
            _ if values.contains(&v) => {
                let v = variable(v);
                quote! { #v }
            }
            Home::Variable => {
                let v = variable(v);
                quote! { #v }
            }
            _ => {
                let x = slice(v);
                quote! { #x[i] }
            }
        }
    }

    fn in_loop(&self, v: V, values: &BTreeSet<V>) -> TokenStream {
        match &self.p.values[v].op {
            Op::Cut { step, .. } => {
                let c = format_ident!("c{v}");
                match step.is_one() {
                    true => quote! { #c[i] },
                    false => {
                        let s = format_ident!("s{v}");
                        quote! { #c[i * #s] }
                    }
                }
            }
            Op::Take { of, index } => {
                let (w, index) = (
                    format_ident!("w{of}"),
                    self.place(*index, self.at_column(*index, values)),
                );
                quote! { #w[__r::place(#index, #w.len())] }
            }
            Op::Column => quote! { i as i32 },
            op => self.computed(op, v, |o| self.at_column(o, values)),
        }
    }

    /// An index as an `i64`.
    fn place(&self, index: V, value: TokenStream) -> TokenStream {
        match self.p.values[index].scalar {
            Scalar::I32 | Scalar::U32 => quote! { i64::from(#value) },
            _ => quote! { #value as i64 },
        }
    }

    /// A number per row.
    fn expression(&self, v: V, _row: bool) -> TokenStream {
        let read = |o: V| {
            let o = variable(o);
            quote! { #o }
        };
        match &self.p.values[v].op {
            Op::Load { .. } => {
                let x = slice(v);
                quote! { #x.first().copied().unwrap_or_default() }
            }
            Op::Coordinate(i) => {
                // Rows that are computed at once are neighbours on the last axis.
                let last = i + 1 == self.p.rows.len();
                let more = last.then(|| quote! { + __i as i32 });
                let i = Literal::usize_unsuffixed(*i);
                quote! { (__row.at.get(#i).copied().unwrap_or_default() #more) }
            }
            Op::Reduce(op, of) => self.reduced(*op, *of),
            Op::Cut { of, start, .. } => {
                let (from, start) = (self.memory(*of), self.dim(start));
                quote! { (#from)[#start as usize] }
            }
            Op::Take { of, index } => {
                let (from, index) = (self.memory(*of), self.place(*index, read(*index)));
                quote! { { let from = #from; from[__r::place(#index, from.len())] } }
            }
            Op::Join(parts) => read(parts[0].0),
            op => self.computed(op, v, read),
        }
    }

    fn reduced(&self, op: Reduce, of: V) -> TokenStream {
        let mut targets = self
            .s
            .levels
            .iter()
            .flat_map(|l| &l.loops)
            .flat_map(|l| &l.targets);
        if op == Reduce::Sum && targets.any(|t| t.summed && t.value == of) {
            let sum = sum(of);
            return quote! { #sum };
        }
        let x = self.memory(of);
        let kind = ty(self.p.values[of].scalar);
        let name = match op {
            Reduce::Sum => format_ident!("sum_{kind}"),
            Reduce::Prod => format_ident!("prod_{kind}"),
            Reduce::Max => format_ident!("max_{kind}"),
            Reduce::Min => format_ident!("min_{kind}"),
            Reduce::ArgMax => format_ident!("argmax_{kind}"),
            Reduce::ArgMin => format_ident!("argmin_{kind}"),
            Reduce::All => format_ident!("all"),
            Reduce::Any => format_ident!("any"),
        };
        quote! { __r::reduce::#name(#x) }
    }

    fn computed(&self, op: &Op, v: V, read: impl Fn(V) -> TokenStream) -> TokenStream {
        let to = self.p.values[v].scalar;
        match op {
            Op::Number(i) => {
                let n = format_ident!("n{i}");
                quote! { #n }
            }
            Op::Constant(c) => constant(*c, to),
            Op::Size(d) => {
                let (d, t) = (self.dim(d), ty(to));
                quote! { #d as #t }
            }
            Op::Unary(op, a) => unary(*op, self.p.values[*a].scalar, read(*a)),
            Op::Binary(op, a, b) => binary(*op, self.p.values[*a].scalar, read(*a), read(*b)),
            Op::Select(c, a, b) => {
                let (c, a, b) = (read(*c), read(*a), read(*b));
                quote! { if #c { #a } else { #b } }
            }
            Op::Bits { key, place, count } => {
                let [a, b] = key.map(&read);
                let (place, count) = (read(*place), read(*count));
                quote! { __r::random_bits(#a, #b, #place, #count) }
            }
            Op::Cast(a) => cast(self.p.values[*a].scalar, to, read(*a)),
            _ => quote! { Default::default() },
        }
    }
}
