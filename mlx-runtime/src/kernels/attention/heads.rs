//! The kernels that split joined projections into heads, and rotate them.
//!
//! Tests: `mlx-models --test native_kernels`.

use crate::kernels::launch::{rows, Kernel, Launch};
use crate::kernels::select::{is_packs, pack};
use crate::{ops, transforms, Array, Dtype, Result};

pub(super) const HEADS: Kernel = Kernel {
    name: "heads",
    inputs: &["y", "freqs"],
    outputs: &["q", "k", "v"],
    header: &["#define BACK 0\n#define SPREAD 0\n"],
    body: include_str!("heads.cu"),
};
pub(super) const HEADS_VJP: Kernel = Kernel {
    name: "heads_vjp",
    inputs: &["q", "k", "v", "freqs"],
    outputs: &["y"],
    header: &["#define BACK 1\n#define SPREAD 0\n"],
    body: include_str!("heads.cu"),
};

/// The layout of a row of joined projections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Heads of queries.
    pub heads: i32,
    /// Heads of keys, and of values.
    pub kv_heads: i32,
    /// Values of a head.
    pub size: i32,
    /// True if neighbouring values are rotated as a pair, false if those half a head apart are.
    pub traditional: bool,
    /// Zeros follow each sequence up to this length, which is at least its own.
    pub padded: i32,
}

/// `y [B, L, (heads + 2 * kv_heads) * size]`, angles per position `freqs [size / 2]` -> queries
/// `[B, heads, P, size]`, keys and values `[B, kv_heads, P, size]`, the first two rotated by their
/// position from 0 on, and `P` the padded length. `None` if half a head is no multiple of a pack.
pub(super) fn split_heads(y: &Array, freqs: &Array, cut: Heads) -> Option<Result<[Array; 3]>> {
    let [batch, length, _] = *y.shape() else {
        return None;
    };
    cut.fits(y, freqs)
        .then(|| split(y, freqs, cut, [batch, length]))
}

impl Heads {
    /// Returns true if there is a kernel for `y`.
    pub(super) fn fits(&self, y: &Array, freqs: &Array) -> bool {
        let [_, length, width] = *y.shape() else {
            return false;
        };
        width == (self.heads + 2 * self.kv_heads) * self.size
            && self.size % 2 == 0
            && is_packs(self.size / 2, y.dtype())
            && self.size / 2 / pack(y.dtype()) <= 32
            && freqs.shape() == [self.size / 2]
            && freqs.dtype() == Dtype::Float32
            && y.size() > 0
            && self.padded >= length
    }
}

fn split(y: &Array, freqs: &Array, cut: Heads, [batch, length]: [i32; 2]) -> Result<[Array; 3]> {
    let (dtype, angles) = (y.dtype(), freqs.clone());
    let shape = |n: i32| [batch, cut.padded, n, cut.size];
    let there = call(dtype, cut, length, batch.saturating_mul(cut.padded))
        .output(&shape(cut.heads), dtype)
        .output(&shape(cut.kv_heads), dtype)
        .output(&shape(cut.kv_heads), dtype);
    let back = call(dtype, cut, length, batch.saturating_mul(length)).output(y.shape(), dtype);
    let out = if transforms::is_differentiating() {
        let freqs = freqs.clone();
        let op = transforms::custom_vjp(
            move |p| HEADS.launch(&[&p[0], &angles], &there),
            move |_, by, _| {
                let by = by.iter().map(|g| ops::astype(g, dtype));
                let by = by.collect::<Result<Vec<_>>>()?;
                HEADS_VJP.launch(&[&by[0], &by[1], &by[2], &freqs], &back)
            },
        );
        op.call(std::slice::from_ref(y))?
    } else {
        HEADS.launch(&[y, freqs], &there)?
    };
    let swapped = |a: &Array| ops::transpose(a, &[0, 2, 1, 3]);
    Ok([swapped(&out[0])?, swapped(&out[1])?, swapped(&out[2])?])
}

/// The launch for `n` rows, rows of zeros included if they are written.
pub(super) fn call(dtype: Dtype, cut: Heads, length: i32, n: i32) -> Launch {
    const LANES: i32 = 8;
    let pairs = (cut.size / 2 / pack(dtype)).max(1);
    let each = (256 / (pairs * LANES)).max(1);
    let threads = each * pairs * LANES;
    let blocks = n.saturating_add(each - 1) / each;
    rows(blocks, threads)
        .dtype("T", dtype)
        .constant("D", cut.size)
        .constant("H", cut.heads)
        .constant("K", cut.kv_heads)
        .constant("LANES", LANES)
        .constant("ROWS", each)
        .flag("TRADITIONAL", cut.traditional)
        .number("rows", n)
        .number("length", length)
        .number("padded", cut.padded)
}
