//! Names of variables in kernel text: those of the source, as far as both dialects allow them.
//!
//! Tests: `tests/text.rs`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;

use crate::syntax::dims::Dim;

/// Words that text may not declare: keywords of C++, CUDA and Metal, functions that text calls, and names that text uses
/// itself.
const RESERVED: &str = "alignas alignof and asm auto bfloat bfloat16 bfloat16_t bitand bitor bool break case catch char
    class compl concept const constant constexpr continue decltype default delete device do double else enum explicit
    export extern false float float16 float16_t for fragment friend goto half if inline int kernel long mutable namespace
    new not nullptr object_data operator or private protected public register return row_vec short signed sizeof size_t
    static struct switch template this thread threadgroup throw true try typedef typename uchar uint ulong union unsigned
    using ushort vec vertex virtual void volatile while xor metal precise fast INFINITY NAN
    abs acos acosh asin asinh atan atan2 atanh ceil clamp copysign cos cosh erf erfinv exp exp2 expm1 fabs floor fma fmod
    isinf isnan log log10 log1p log2 logaddexp max maximum place_of expm1_of log1p_of erf_of erfinv_of remainder_of sign_of absolute load_columns store_columns min minimum pow power remainder rint round rsqrt select sigmoid
    sign sin sinh sqrt tan tanh to_int to_unsigned trunc floor_divide as_type
    blockIdx blockDim gridDim threadIdx warpSize grid_origin grid_size numbers
    LANES PACK THREADS T Columns rows rows_each row lane worker mine step first slot c j k d i";

/// MLX adds an argument to a Metal kernel for each `NAME_shape`, `NAME_strides` or `NAME_ndim` that it finds in the text.
const MLX_SUFFIXES: [&str; 3] = ["_shape", "_strides", "_ndim"];

/// [`RESERVED`], word by word.
fn reserved() -> &'static HashSet<&'static str> {
    static WORDS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| RESERVED.split_whitespace().collect())
}

/// Gives out names, each once.
#[derive(Default)]
pub(super) struct Names {
    used: BTreeSet<String>,
    dims: HashMap<String, String>,
}

impl Names {
    pub fn new() -> Names {
        Names::default()
    }

    /// `wanted`, or `wanted` with a number if something else has that name.
    pub fn fresh(&mut self, wanted: &str) -> String {
        let mut base: String = wanted
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        for suffix in MLX_SUFFIXES {
            base = base.replace(suffix, "_of");
        }
        // C keeps names with two underscores, and those that begin with one.
        while base.contains("__") {
            base = base.replace("__", "_");
        }
        let base = base.trim_start_matches('_');
        let base = match base.starts_with(|c: char| c.is_ascii_digit()) || base.is_empty() {
            true => format!("v{base}"),
            false => base.to_string(),
        };
        let spaced = format!("{base}_");
        let next = |n: usize| match base.ends_with(|c: char| c.is_ascii_digit()) {
            true => format!("{spaced}{n}"),
            false => format!("{base}{n}"),
        };
        let mut name = base.clone();
        let mut number = 2;
        while reserved().contains(name.as_str()) || !self.used.insert(name.clone()) {
            name = next(number);
            number += 1;
        }
        name
    }

    /// Frees the names of a block that has ended.
    pub fn release(&mut self, names: &[String]) {
        for name in names {
            self.used.remove(name);
        }
    }

    /// The variable of a named size.
    pub fn dim(&mut self, name: &str) -> String {
        if let Some(known) = self.dims.get(name) {
            return known.clone();
        }
        let made = self.fresh(name.trim_end_matches('\''));
        self.dims.insert(name.to_string(), made.clone());
        made
    }
}

/// The names in a size, each once; a quotient is a name.
pub(super) fn names_of(dim: &Dim) -> BTreeSet<String> {
    dim.terms().flat_map(|t| t.0.iter().cloned()).collect()
}

/// A size as an expression; `wide` computes it in 64 bits. Binds as a factor if it has one term.
pub(super) fn expression(dim: &Dim, wide: bool, name: &mut dyn FnMut(&str) -> String) -> String {
    let mut terms: Vec<(String, bool)> = Vec::new();
    let mut sorted: Vec<_> = dim.terms().collect();
    // The constant comes last, and what is subtracted behind what it is subtracted from.
    sorted.sort_by_key(|(names, c)| (*c < 0, names.is_empty()));
    for (names, c) in sorted {
        let mut factors: Vec<String> = Vec::new();
        if c.abs() != 1 || names.is_empty() {
            factors.push(c.unsigned_abs().to_string());
        }
        for n in names {
            factors.push(name(n));
        }
        if wide && (factors.len() > 1 || names.is_empty() && c.unsigned_abs() > 0x7fff_ffff) {
            factors[0] = format!("long({})", factors[0]);
        }
        terms.push((factors.join(" * "), c < 0));
    }
    match terms.as_slice() {
        [] => "0".to_string(),
        [(term, false)] => term.clone(),
        [(term, true)] => format!("(-{term})"),
        _ => {
            let mut out = String::new();
            for (i, (term, negative)) in terms.iter().enumerate() {
                out += match (i, negative) {
                    (0, false) => "",
                    (0, true) => "-",
                    (_, false) => " + ",
                    (_, true) => " - ",
                };
                out += term;
            }
            format!("({out})")
        }
    }
}
