//! Arithmetic of shapes: broadcasting, and the places of a sliding window.
//!
//! Tests: `mlx-tests --test rules`.

use proc_macro2::Span;

use crate::diag::Diag;
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::logic::Facts;
use crate::syntax::names::Names;

/// The shape two shapes broadcast to.
pub(crate) fn broadcast(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let one = Dim::constant(1);
    let at = |s: &Shape, i: usize| {
        (i + s.len())
            .checked_sub(rank)
            .map_or(one.clone(), |j| s[j].clone())
    };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y || y.is_one() => Some(x),
            (x, y) if x.is_one() => Some(y),
            _ => None,
        })
        .collect()
}

/// A window that slides along one axis.
pub(crate) struct Window<'a> {
    pub size: &'a Dim,
    pub kernel: &'a Dim,
    pub stride: &'a Dim,
    pub padding: &'a Dim,
    pub dilation: &'a Dim,
}

/// Why a window has no known number of places.
pub(crate) enum NoPlace {
    /// A number is out of its range.
    Steps,
    /// The stride and what it does not divide.
    Stride(String, String),
    /// The kernel and the size that it is too large for.
    Kernel(String, String),
    /// The kernel, and the size that it may be too large for.
    Bound(String, String),
}

impl NoPlace {
    /// The mistake of an operation or layer called `name`, of which `found` is the input.
    pub fn mistake(self, at: Span, name: &str, found: String) -> Diag {
        match self {
            NoPlace::Steps => Diag::window_steps(at, name, found),
            NoPlace::Stride(stride, size) => Diag::window_stride(at, name, stride, size, found),
            NoPlace::Kernel(kernel, size) => Diag::window_too_large(at, name, kernel, size, found),
            NoPlace::Bound(reach, size) => Diag::place_unknown(at, name, reach, size, found),
        }
    }
}

impl Window<'_> {
    /// The number of its places:
    /// `(size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1`.
    pub fn places(&self, names: &Names, facts: &Facts) -> std::result::Result<Dim, NoPlace> {
        let below = |d: &Dim, least: i64| d.as_constant().is_some_and(|n| n < least);
        let steps = [self.kernel, self.stride, self.dilation];
        if steps.into_iter().any(|d| below(d, 1)) || below(self.padding, 0) {
            return Err(NoPlace::Steps);
        }
        let one = Dim::constant(1);
        let reach = self.dilation.times(&self.kernel.plus(&one.negated()));
        let reach = reach.plus(&one);
        let padded = self.size.plus(&self.padding.times(&Dim::constant(2)));
        let free = padded.plus(&reach.negated());
        // As one quotient: the last summand is as much as one stride more.
        let places = facts
            .floor_div(&free.plus(self.stride), self.stride)
            .ok_or_else(|| NoPlace::Stride(names.dim(self.stride), names.dim(&free)))?;
        if below(&free, 0) || below(&places, 1) {
            return Err(NoPlace::Kernel(
                names.dim(self.kernel),
                names.dim(self.size),
            ));
        }
        // One place or more is the same as a kernel that fits.
        match facts.bounded(&one, &places) || facts.bounded(&reach, &padded) {
            true => Ok(places),
            false => Err(NoPlace::Bound(names.dim(&reach), names.dim(&padded))),
        }
    }
}
