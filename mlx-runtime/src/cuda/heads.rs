//! Heads cut out of joined projections, and rotated.

use super::launch::Kernel;
use super::pack;
use crate::ops::fast::KernelCall;
use crate::{ops, transforms, Array, Dtype, Result};

const HEADS: Kernel = Kernel {
    name: "heads",
    inputs: &["y", "freqs"],
    outputs: &["q", "k", "v"],
    header: &["#define BACK 0\n"],
    body: include_str!("heads.cu"),
};
const HEADS_VJP: Kernel = Kernel {
    name: "heads_vjp",
    inputs: &["q", "k", "v", "freqs"],
    outputs: &["y"],
    header: &["#define BACK 1\n"],
    body: include_str!("heads.cu"),
};

/// How a row of joined projections is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Of queries.
    pub heads: i32,
    /// Of keys, and of values.
    pub kv_heads: i32,
    /// Values of a head.
    pub size: i32,
    /// Whether neighbouring values are rotated as a pair, or those half a head apart.
    pub traditional: bool,
}

/// `y [B, L, (heads + 2 * kv_heads) * size]`, angles per position `freqs [size / 2]` -> queries
/// `[B, heads, L, size]`, keys and values `[B, kv_heads, L, size]`, the first two rotated by their
/// position from 0 on. `None` if half a head is no multiple of a pack.
pub(crate) fn split_heads(y: &Array, freqs: &Array, cut: Heads) -> Option<Result<[Array; 3]>> {
    let [batch, length, width] = *y.shape() else {
        return None;
    };
    let fits = width == (cut.heads + 2 * cut.kv_heads) * cut.size
        && cut.size % (2 * pack(y.dtype())) == 0
        && cut.size / 2 / pack(y.dtype()) <= 32
        && freqs.shape() == [cut.size / 2]
        && freqs.dtype() == Dtype::Float32
        && y.size() > 0;
    fits.then(|| split(y, freqs, cut, [batch, length]))
}

fn split(y: &Array, freqs: &Array, cut: Heads, [batch, length]: [i32; 2]) -> Result<[Array; 3]> {
    let (dtype, angles) = (y.dtype(), freqs.clone());
    let shape = |n: i32| [batch, length, n, cut.size];
    let there = call(dtype, cut, batch.saturating_mul(length))
        .output(&shape(cut.heads), dtype)
        .output(&shape(cut.kv_heads), dtype)
        .output(&shape(cut.kv_heads), dtype);
    let back = call(dtype, cut, batch.saturating_mul(length)).output(y.shape(), dtype);
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

fn call(dtype: Dtype, cut: Heads, n: i32) -> KernelCall {
    const LANES: i32 = 8;
    let pairs = (cut.size / 2 / pack(dtype)).max(1);
    let rows = (256 / (pairs * LANES)).max(1);
    let threads = rows * pairs * LANES;
    let blocks = n.saturating_add(rows - 1) / rows;
    KernelCall::new()
        .grid(blocks.saturating_mul(threads), 1, 1)
        .threads(threads, 1, 1)
        .template_dtype("T", dtype)
        .template_int("D", cut.size)
        .template_int("H", cut.heads)
        .template_int("K", cut.kv_heads)
        .template_int("LANES", LANES)
        .template_int("ROWS", rows)
        .template_bool("TRADITIONAL", cut.traditional)
}
