//! Lion's update.
//!
//! Tests: `mlx-tests --test parity_optim`.

use mlx_macros::mlx_kernel;

use super::{fits, flat, shaped};
use crate::{Array, Result};

#[mlx_kernel]
fn lion_rows(
    #[frozen] w: Tensor![N; f32],
    #[frozen] m: Tensor![N; f32],
    #[frozen] g: Tensor![N; f32],
    #[frozen] lr: Tensor![1; f32],
    keep_c: f32,
    take_c: f32,
    keep_m: f32,
    take_m: f32,
    decay: f32,
) -> (Tensor![N; f32], Tensor![N; f32]) {
    let direction = sign(m * keep_c + g * take_c);
    (
        w * (1.0 - lr * decay) - lr * direction,
        m * keep_m + g * take_m,
    )
}

/// A buffer's values `w`, average `m` and gradient `g` -> the next `w` and `m`. `None` if no kernel takes them. `betas` are the
/// weight of the average in the direction, and its decay rate.
pub(crate) fn lion(
    [w, m, g]: [&Array; 3],
    lr: &Array,
    betas: (f64, f64),
    decay: f64,
) -> Option<Result<[Array; 2]>> {
    fits(&[w, m, g], &[lr]).then(|| {
        let (b1, b2) = betas;
        let [k1, t1, k2, t2, decay] = [b1, 1.0 - b1, b2, 1.0 - b2, decay].map(|x| x as f32);
        let lr = flat(lr)?;
        let (new, m) = lion_rows(&flat(w)?, &flat(m)?, &flat(g)?, &lr, k1, t1, k2, t2, decay)?;
        Ok([shaped(new, w)?, shaped(m, w)?])
    })
}
