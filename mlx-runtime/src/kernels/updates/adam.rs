//! Adam's update.
//!
//! Tests: `mlx-tests --test parity_optim`, `mlx-models --test native_kernels`.

use mlx_macros::mlx_kernel;

use super::{fits, flat, shaped};
use crate::{Array, Result};

#[mlx_kernel]
fn adam_rows(
    #[frozen] w: Tensor![N; f32],
    #[frozen] m: Tensor![N; f32],
    #[frozen] v: Tensor![N; f32],
    #[frozen] g: Tensor![N; f32],
    #[frozen] lr: Tensor![1; f32],
    keep_m: f32,
    take_m: f32,
    keep_v: f32,
    take_v: f32,
    eps: f32,
    decay: f32,
) -> (Tensor![N; f32], Tensor![N; f32], Tensor![N; f32]) {
    let average = m * keep_m + g * take_m;
    let squares = v * keep_v + square(g) * take_v;
    (
        w * (1.0 - lr * decay) - lr * average / (sqrt(squares) + eps),
        average,
        squares,
    )
}

/// `step` is the learning rate with bias correction, `by` the factor of the root.
#[mlx_kernel]
fn corrected_adam_rows(
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
    let average = m * keep_m + g * take_m;
    let squares = v * keep_v + square(g) * take_v;
    (
        w * (1.0 - lr * decay) - step * average / (sqrt(squares) * by + eps),
        average,
        squares,
    )
}

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

/// A buffer's values `w`, averages `m` and `v`, and gradient `g` -> the next `w`, `m` and `v`. `None` if no kernel takes them.
pub(crate) fn adam(buffers: [&Array; 4], rates: &Rates<'_>) -> Option<Result<[Array; 3]>> {
    let corrected = rates.corrected.into_iter().flat_map(|(a, b)| [a, b]);
    let numbers: Vec<&Array> = [rates.lr].into_iter().chain(corrected).collect();
    fits(&buffers, &numbers).then(|| update(buffers, rates))
}

fn update([w, m, v, g]: [&Array; 4], rates: &Rates<'_>) -> Result<[Array; 3]> {
    let (like, lr) = (w, flat(rates.lr)?);
    let (w, m, v, g) = (flat(w)?, flat(m)?, flat(v)?, flat(g)?);
    let (b1, b2) = rates.betas;
    let numbers = [b1, 1.0 - b1, b2, 1.0 - b2, rates.eps, rates.decay].map(|x| x as f32);
    let [k1, t1, k2, t2, eps, decay] = numbers;
    let (w, m, v) = match rates.corrected {
        None => adam_rows(&w, &m, &v, &g, &lr, k1, t1, k2, t2, eps, decay)?,
        Some((step, by)) => {
            let (step, by) = (flat(step)?, flat(by)?);
            corrected_adam_rows(
                &w, &m, &v, &g, &lr, &step, &by, k1, t1, k2, t2, eps, decay,
            )?
        }
    };
    Ok([shaped(w, like)?, shaped(m, like)?, shaped(v, like)?])
}
