//! The part of Muon's update before its products.
//!
//! Tests: `mlx-tests --test parity_optim`.

use mlx_macros::mlx_kernel;

use super::{fits, flat, shaped};
use crate::{Array, Result};

#[mlx_kernel]
fn direction_rows(
    #[frozen] w: Tensor![N; f32],
    #[frozen] g: Tensor![N; f32],
    #[frozen] v: Tensor![N; f32],
    decay: f32,
    keep: f32,
    take: f32,
) -> Tensor![N; f32] {
    v * keep + (g + w * decay) * take
}

#[mlx_kernel]
fn nesterov_direction_rows(
    #[frozen] w: Tensor![N; f32],
    #[frozen] g: Tensor![N; f32],
    #[frozen] v: Tensor![N; f32],
    decay: f32,
    keep: f32,
    take: f32,
) -> (Tensor![N; f32], Tensor![N; f32]) {
    let part = (g + w * decay) * take;
    let average = v * keep + part;
    (part + average * keep, average)
}

/// A buffer's values `w`, gradient `g` and average `v` -> the direction and the next `v`. `None` if no kernel takes them.
pub(crate) fn direction(
    [w, g, v]: [&Array; 3],
    decay: f64,
    momentum: f64,
    nesterov: bool,
) -> Option<Result<[Array; 2]>> {
    fits(&[w, g, v], &[]).then(|| {
        let like = w;
        let (w, g, v) = (flat(w)?, flat(g)?, flat(v)?);
        let [decay, keep, take] = [decay, momentum, 1.0 - momentum].map(|x| x as f32);
        let (update, v) = match nesterov {
            true => nesterov_direction_rows(&w, &g, &v, decay, keep, take)?,
            false => {
                let v = direction_rows(&w, &g, &v, decay, keep, take)?;
                (v.clone(), v)
            }
        };
        Ok([shaped(update, like)?, shaped(v, like)?])
    })
}
