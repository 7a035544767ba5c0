//! The kernels of root-mean-square norms with a frozen weight.
//!
//! Tests: `mlx-models --test native_kernels`.

use crate::kernels::launch::{rows, Kernel, Launch};
use crate::kernels::select::{is_packs, pack};
use crate::{ops, transforms, Array, Dtype, Result};

const NORM: Kernel = Kernel {
    name: "norm",
    inputs: &["x", "w"],
    outputs: &["y"],
    header: &["#define SUM 0\n"],
    body: include_str!("norm.cu"),
};
const NORM_VJP: Kernel = Kernel {
    name: "norm_vjp",
    inputs: &["h", "w", "dy"],
    outputs: &["dx"],
    header: &["#define SUM 0\n"],
    body: include_str!("norm_vjp.cu"),
};
const ADD_NORM: Kernel = Kernel {
    name: "add_norm",
    inputs: &["x", "r", "w"],
    outputs: &["h", "y"],
    header: &["#define SUM 1\n"],
    body: include_str!("norm.cu"),
};
const ADD_NORM_VJP: Kernel = Kernel {
    name: "add_norm_vjp",
    inputs: &["h", "w", "dy", "dh"],
    outputs: &["dx"],
    header: &["#define SUM 1\n"],
    body: include_str!("norm_vjp.cu"),
};

/// The shape, dtype and epsilon that the rows of a norm share.
#[derive(Clone)]
struct Rows {
    shape: Vec<i32>,
    dtype: Dtype,
    eps: f32,
}

impl Rows {
    /// `None` if rows are not whole packs, or too long for one block.
    fn of(x: &Array, w: &Array, eps: f32) -> Option<Rows> {
        let size = *x.shape().last()?;
        let fits = x.dtype() == w.dtype() && is_packs(size, x.dtype());
        (fits && x.size() > 0 && size / pack(x.dtype()) <= 8 * 1024).then(|| Rows {
            shape: x.shape().to_vec(),
            dtype: x.dtype(),
            eps,
        })
    }

    fn call(&self, outputs: usize) -> Launch {
        let size = self.shape.last().copied().unwrap_or(1);
        let n: i64 = self.shape.iter().map(|n| i64::from(*n)).product();
        let n = i32::try_from(n / i64::from(size.max(1))).unwrap_or(i32::MAX);
        let packs = size / pack(self.dtype);
        let threads = (packs.saturating_add(31) / 32 * 32).clamp(32, 1024);
        let mut call = rows(n, threads)
            .dtype("T", self.dtype)
            .constant("D", size)
            .constant("THREADS", threads)
            .constant("EPS", self.eps.to_bits() as i32);
        for _ in 0..outputs {
            call = call.output(&self.shape, self.dtype);
        }
        call
    }
}

/// `x / sqrt(mean(x^2) + eps) * w`, `[.., D], [D] -> [.., D]`, and no gradient for `w`. `None` if
/// `D` is no multiple of a pack.
pub(super) fn rms_norm(x: &Array, w: &Array, eps: f32) -> Option<Result<Array>> {
    let rows = Rows::of(x, w, eps)?;
    Some(norm(rows, x, w))
}

fn norm(rows: Rows, x: &Array, w: &Array) -> Result<Array> {
    if !transforms::is_differentiating() {
        return Ok(NORM.launch(&[x, w], &rows.call(1))?.swap_remove(0));
    }
    let (there, weight) = (rows.clone(), w.clone());
    let w = w.clone();
    let op = transforms::custom_vjp(
        move |p| NORM.launch(&[&p[0], &weight], &there.call(1)),
        move |p, by, _| {
            let by = ops::astype(&by[0], rows.dtype)?;
            NORM_VJP.launch(&[&p[0], &w, &by], &rows.call(1))
        },
    );
    Ok(op.call(std::slice::from_ref(x))?.swap_remove(0))
}

/// `h = x + r` and the norm of `h`. `None` as in [`rms_norm`].
pub(super) fn add_rms_norm(
    x: &Array,
    r: &Array,
    w: &Array,
    eps: f32,
) -> Option<Result<(Array, Array)>> {
    let rows = Rows::of(x, w, eps)?;
    (x.shape() == r.shape() && x.dtype() == r.dtype()).then(|| add_norm(rows, x, r, w))
}

fn add_norm(rows: Rows, x: &Array, r: &Array, w: &Array) -> Result<(Array, Array)> {
    let pair = |mut out: Vec<Array>| {
        let y = out.pop();
        let h = out.pop();
        h.zip(y)
            .ok_or_else(|| crate::Error::invalid("add_rms_norm", "no result"))
    };
    if !transforms::is_differentiating() {
        return pair(ADD_NORM.launch(&[x, r, w], &rows.call(2))?);
    }
    let (there, weight) = (rows.clone(), w.clone());
    let w = w.clone();
    let op = transforms::custom_vjp(
        move |p| ADD_NORM.launch(&[&p[0], &p[1], &weight], &there.call(2)),
        move |_, by, out| {
            let dh = ops::astype(&by[0], rows.dtype)?;
            let dy = ops::astype(&by[1], rows.dtype)?;
            let dx = ADD_NORM_VJP
                .launch(&[&out[0], &w, &dy, &dh], &rows.call(1))?
                .swap_remove(0);
            Ok(vec![dx.clone(), dx])
        },
    );
    pair(op.call(&[x.clone(), r.clone()])?)
}
