//! The update of gradient descent, with and without momentum.
//!
//! Tests: `mlx-tests --test parity_optim`.

use mlx_macros::mlx_kernel;

use super::{fits, flat, shaped};
use crate::{Array, Result};

#[mlx_kernel]
fn descent_rows(
    #[frozen] w: Tensor![N; f32],
    #[frozen] g: Tensor![N; f32],
    #[frozen] lr: Tensor![1; f32],
    decay: f32,
) -> Tensor![N; f32] {
    w - lr * (g + w * decay)
}

#[mlx_kernel]
fn momentum_rows(
    #[frozen] w: Tensor![N; f32],
    #[frozen] g: Tensor![N; f32],
    #[frozen] v: Tensor![N; f32],
    #[frozen] lr: Tensor![1; f32],
    decay: f32,
    keep: f32,
    take: f32,
) -> (Tensor![N; f32], Tensor![N; f32]) {
    let sum = v * keep + (g + w * decay) * take;
    (w - lr * sum, sum)
}

#[mlx_kernel]
fn nesterov_rows(
    #[frozen] w: Tensor![N; f32],
    #[frozen] g: Tensor![N; f32],
    #[frozen] v: Tensor![N; f32],
    #[frozen] lr: Tensor![1; f32],
    decay: f32,
    keep: f32,
    take: f32,
) -> (Tensor![N; f32], Tensor![N; f32]) {
    let slope = g + w * decay;
    let sum = v * keep + slope * take;
    (w - lr * (slope + sum * keep), sum)
}

/// The hyperparameters that all values of a buffer share.
pub(crate) struct Rates<'a> {
    /// The learning rate, one number.
    pub lr: &'a Array,
    /// The factor of the parameters that is added to the gradient.
    pub decay: f64,
    /// The decay rate of the running sum, and the share of the gradient in it.
    pub momentum: (f64, f64),
    /// True to look one step of momentum ahead.
    pub nesterov: bool,
}

/// A buffer's values `w`, gradient `g` and running sum `v`, if it has one -> the next `w` and `v`. `None` if no kernel takes
/// them.
pub(crate) fn sgd(
    w: &Array,
    g: &Array,
    v: Option<&Array>,
    rates: &Rates<'_>,
) -> Option<Result<Vec<Array>>> {
    let buffers: Vec<&Array> = [w, g].into_iter().chain(v).collect();
    fits(&buffers, &[rates.lr]).then(|| update(w, g, v, rates))
}

fn update(w: &Array, g: &Array, v: Option<&Array>, rates: &Rates<'_>) -> Result<Vec<Array>> {
    let (like, lr) = (w, flat(rates.lr)?);
    let (w, g) = (flat(w)?, flat(g)?);
    let [decay, keep, take] =
        [rates.decay, rates.momentum.0, rates.momentum.1].map(|x| x as f32);
    let Some(v) = v else {
        return Ok(vec![shaped(descent_rows(&w, &g, &lr, decay)?, like)?]);
    };
    let v = flat(v)?;
    let (w, v) = match rates.nesterov {
        true => nesterov_rows(&w, &g, &v, &lr, decay, keep, take)?,
        false => momentum_rows(&w, &g, &v, &lr, decay, keep, take)?,
    };
    Ok(vec![shaped(w, like)?, shaped(v, like)?])
}
