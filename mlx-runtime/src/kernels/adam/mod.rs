//! The kernel of Adam's update of a buffer.
//!
//! Tests: `mlx-models --test native_kernels`.

use super::launch::{pieces, Kernel};
use super::select;
use crate::{transforms, Array, Dtype, Result};

const PLAIN: Kernel = Kernel {
    name: "adam",
    inputs: &["w", "m", "v", "g", "lr"],
    outputs: &["new_w", "new_m", "new_v"],
    header: &["#define CORRECTED 0\n"],
    body: include_str!("adam.cu"),
};
const CORRECTED: Kernel = Kernel {
    name: "adam_corrected",
    inputs: &["w", "m", "v", "g", "lr", "c1", "c2"],
    outputs: &["new_w", "new_m", "new_v"],
    header: &["#define CORRECTED 1\n"],
    body: include_str!("adam.cu"),
};

/// The hyperparameters that all values of a buffer share.
pub(crate) struct Rates<'a> {
    /// The decay rates of the averages of gradient and squared gradient, in double precision.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub eps: f64,
    /// The weight decay of a step, times the learning rate.
    pub decay: f64,
    /// The learning rate, one number.
    pub lr: &'a Array,
    /// The learning rate and the factor of the root with bias correction, one number each. They replace `lr` and 1.
    pub corrected: Option<(&'a Array, &'a Array)>,
}

/// A buffer's values `w`, averages `m` and `v`, and gradient `g`, all float32 `[n]` -> the next `w`, `m` and `v`.
/// `None` if there is no kernel for them, or if the update is being differentiated.
pub(crate) fn adam([w, m, v, g]: [&Array; 4], rates: &Rates<'_>) -> Option<Result<[Array; 3]>> {
    let one = |a: &Array| a.dtype() == Dtype::Float32 && a.size() == 1;
    let buffer = |a: &Array| a.dtype() == Dtype::Float32 && a.shape() == w.shape();
    let fits = [w, m, v, g].into_iter().all(buffer)
        && one(rates.lr)
        && rates.corrected.is_none_or(|(a, b)| one(a) && one(b))
        && w.size() > 0;
    (fits && select::on_cuda(w) && !transforms::is_differentiating())
        .then(|| update([w, m, v, g], rates))
}

fn update([w, m, v, g]: [&Array; 4], rates: &Rates<'_>) -> Result<[Array; 3]> {
    let bits = |x: f64| (x as f32).to_bits() as i32;
    let mut launch = pieces(w.size());
    for (name, x) in [
        ("keep_m", rates.betas.0),
        ("take_m", 1.0 - rates.betas.0),
        ("keep_v", rates.betas.1),
        ("take_v", 1.0 - rates.betas.1),
        ("eps", rates.eps),
        ("decay", rates.decay),
    ] {
        launch = launch.number(name, bits(x));
    }
    let mut launch = launch.number("count", i32::try_from(w.size()).unwrap_or(i32::MAX));
    for _ in 0..3 {
        launch = launch.output(w.shape(), Dtype::Float32);
    }
    let mut out = match rates.corrected {
        None => PLAIN.launch(&[w, m, v, g, rates.lr], &launch)?,
        Some((c1, c2)) => CORRECTED.launch(&[w, m, v, g, rates.lr, c1, c2], &launch)?,
    }
    .into_iter();
    match (out.next(), out.next(), out.next()) {
        (Some(w), Some(m), Some(v)) => Ok([w, m, v]),
        _ => Err(crate::Error::invalid("adam", "no result")),
    }
}
