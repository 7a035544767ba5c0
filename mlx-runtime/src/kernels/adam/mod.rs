//! The kernel of Adam's update of a buffer.
//!
//! Tests: `mlx-models --test native_kernels`.

use mlx_macros::mlx_kernel;

use super::launch::{pieces, Kernel};
use super::select;
use crate::{ops, transforms, Array, Dtype, Result};

/// `step` is the learning rate with bias correction, `by` the factor of the root.
#[mlx_kernel]
fn adam_rows(
    #[frozen] w: Tensor![N; f32],
    #[frozen] m: Tensor![N; f32],
    #[frozen] v: Tensor![N; f32],
    #[frozen] g: Tensor![N; f32],
    #[frozen] lr: Tensor![1; f32],
    #[frozen] step: Tensor![1; f32],
    #[frozen] by: Tensor![1; f32],
    keep_m: f32,
    take_m: f32,
    keep_v: f32,
    take_v: f32,
    eps: f32,
    decay: f32,
) -> (Tensor![N; f32], Tensor![N; f32], Tensor![N; f32]) {
    let mean_ = m * keep_m + g * take_m;
    let squares = v * keep_v + square(g) * take_v;
    let root = sqrt(squares) * by + eps;
    (w * (1.0 - lr * decay) - step * mean_ / root, mean_, squares)
}

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
    if !fits || transforms::is_differentiating() {
        return None;
    }
    if w.ndim() == 1 && select::rows_on_cpu(&[w]) {
        return Some(by_rows([w, m, v, g], rates));
    }
    select::on_cuda(w).then(|| update([w, m, v, g], rates))
}

fn by_rows([w, m, v, g]: [&Array; 4], rates: &Rates<'_>) -> Result<[Array; 3]> {
    let flat = |a: &Array| ops::reshape(a, &[-1]);
    let lr = flat(rates.lr)?;
    let (step, by) = match rates.corrected {
        None => (lr.clone(), ops::ones(&[1], Dtype::Float32)?),
        Some((step, by)) => (flat(step)?, flat(by)?),
    };
    let (b1, b2) = rates.betas;
    let numbers = [b1, 1.0 - b1, b2, 1.0 - b2, rates.eps, rates.decay].map(|x| x as f32);
    let [keep_m, take_m, keep_v, take_v, eps, decay] = numbers;
    let (w, m, v) = adam_rows(
        w, m, v, g, &lr, &step, &by, keep_m, take_m, keep_v, take_v, eps, decay,
    )?;
    Ok([w, m, v])
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
