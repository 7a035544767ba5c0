//! The attention kernels for short sequences, from joined projections to joined heads.
//!
//! cuDNN's kernels are faster for long ones, but MLX rebuilds the graph of each call on the host, which takes longer
//! than a short sequence.
//!
//! Tests: `mlx-models --test native_kernels`.

use super::heads::{call, Heads, HEADS, HEADS_VJP};
use crate::kernels::launch::{rows, Kernel, Launch};
use crate::kernels::select::is_half;
use crate::{ops, transforms, Array, Dtype, Result};

const HEADER: &[&str] = &[include_str!("attention.cuh")];
const ATTENTION: Kernel = Kernel {
    name: "attention",
    inputs: &["q", "k", "v"],
    outputs: &["y", "logs"],
    header: HEADER,
    body: include_str!("attention.cu"),
};
const ATTENTION_DQ: Kernel = Kernel {
    name: "attention_dq",
    inputs: &["q", "k", "v", "logs", "dy"],
    outputs: &["dq", "shares"],
    header: HEADER,
    body: include_str!("attention_dq.cu"),
};
const ATTENTION_DKV: Kernel = Kernel {
    name: "attention_dkv",
    inputs: &["q", "k", "v", "logs", "shares", "dy"],
    outputs: &["dk", "dv"],
    header: HEADER,
    body: include_str!("attention_dkv.cu"),
};
const HEADS_VJP_SPREAD: Kernel = Kernel {
    name: "heads_vjp_spread",
    header: &["#define BACK 1\n#define SPREAD 1\n"],
    ..HEADS_VJP
};

/// The longest sequence: its scores lie in shared memory.
const LONGEST: i32 = 128;
/// The most positions in a batch: with more a GPU is busy, and cuDNN's kernels are faster.
const MOST: i32 = 256;
/// Queries, or keys, of a block, and its threads.
const ROWS: i32 = 16;
const THREADS: i32 = 256;

/// Causal attention of heads that are cut out of `y [B, L, (heads + 2 * kv_heads) * size]` and rotated as
/// in [`split_heads`](super::heads::split_heads) -> `[B, L, heads * size]`. `None` unless the sequences are short, of half
/// floats, and heads of 64 or 128.
pub(super) fn short_attention(
    y: &Array,
    freqs: &Array,
    cut: Heads,
    scale: f32,
) -> Option<Result<Array>> {
    let [batch, length, _] = *y.shape() else {
        return None;
    };
    let fits = is_half(y.dtype())
        && matches!(cut.size, 64 | 128)
        && cut.heads % cut.kv_heads.max(1) == 0
        && length <= LONGEST
        && batch.saturating_mul(length) <= MOST;
    let cut = Heads {
        padded: length,
        ..cut
    };
    (fits && cut.fits(y, freqs)).then(|| attend(y, freqs, cut, scale))
}

fn attend(y: &Array, freqs: &Array, cut: Heads, scale: f32) -> Result<Array> {
    let (dtype, batch, length) = (y.dtype(), y.dim(0)?, y.dim(1)?);
    let (n, joined) = (batch * length, [batch, length, cut.heads * cut.size]);
    let shape = |heads: i32| [batch, length, heads, cut.size];
    let (own, shared) = (shape(cut.heads), shape(cut.kv_heads));
    let split = call(dtype, cut, length, n)
        .output(&own, dtype)
        .output(&shared, dtype)
        .output(&shared, dtype);
    let blocks = batch * cut.heads * ((length + ROWS - 1) / ROWS);
    let launch = || -> Launch {
        rows(blocks, THREADS)
            .dtype("T", dtype)
            .constant("D", cut.size)
            .constant("H", cut.heads)
            .constant("K", cut.kv_heads)
            .constant("SCALE", scale.to_bits() as i32)
            .number("length", length)
    };
    let sums = [batch, cut.heads, length];
    let there = launch()
        .output(&joined, dtype)
        .output(&sums, Dtype::Float32);
    // The results that a backward pass reads come with it.
    let forward = move |y: &Array, freqs: &Array| -> Result<Vec<Array>> {
        let heads = HEADS.launch(&[y, freqs], &split)?;
        let mut out = ATTENTION.launch(&heads.iter().collect::<Vec<_>>(), &there)?;
        out.extend(heads);
        Ok(out)
    };
    if !transforms::is_differentiating() {
        return Ok(forward(y, freqs)?.swap_remove(0));
    }
    let dq = launch().output(&own, dtype).output(&sums, Dtype::Float32);
    let spread = Dtype::Float32;
    let dkv = launch().output(&own, spread).output(&own, spread);
    let back = call(dtype, cut, length, n).output(y.shape(), dtype);
    let (angles, freqs) = (freqs.clone(), freqs.clone());
    let op = transforms::custom_vjp(
        move |p| forward(&p[0], &angles),
        move |_, by, out| {
            let dy = ops::astype(&by[0], dtype)?;
            let [_, logs, q, k, v] = out else {
                return Err(crate::Error::invalid(
                    "attention",
                    "other results than five",
                ));
            };
            let d = ATTENTION_DQ.launch(&[q, k, v, logs, &dy], &dq)?;
            let (dq, shares) = (&d[0], &d[1]);
            let d = ATTENTION_DKV.launch(&[q, k, v, logs, shares, &dy], &dkv)?;
            HEADS_VJP_SPREAD.launch(&[dq, &d[0], &d[1], &freqs], &back)
        },
    );
    Ok(op.call(std::slice::from_ref(y))?.swap_remove(0))
}
