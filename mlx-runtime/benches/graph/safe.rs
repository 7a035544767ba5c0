//! Through the safe API.

use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::{ops, Array, Result};

use crate::Inputs;

pub fn elementwise(i: &Inputs) -> Result<Array> {
    let (a, b) = (&i.w[0], &i.w[1]);
    let mut h = a.clone();
    for _ in 0..250 {
        h = ops::add(&h, a)?;
        h = ops::multiply(&h, b)?;
        h = ops::subtract(&h, a)?;
        h = ops::maximum(&h, b)?;
    }
    Ok(h)
}

pub fn shapes(i: &Inputs) -> Result<Array> {
    let w = &i.w[0];
    let mut h = w.clone();
    for _ in 0..167 {
        let y = ops::matmul(&h, w)?;
        let y = ops::reshape(&y, &[2, 8, 16])?;
        let y = ops::transpose(&y, &[1, 0, 2])?;
        let y = ops::reshape(&y, &[16, 16])?;
        let s = ops::sum(&y, &[0], true)?;
        h = ops::add(&y, &s)?;
    }
    Ok(h)
}

pub fn mlp(i: &Inputs) -> Result<Array> {
    let mut h = i.x.clone();
    for _ in 0..250 {
        h = fast::rms_norm(&h, Some(&i.gain), 1e-5)?;
        h = ops::matmul(&h, &i.w[0])?;
        h = ops::add(&h, &i.gain)?;
        h = ops::tanh(&h)?;
    }
    Ok(h)
}

fn heads(x: &Array, w: &Array) -> Result<Array> {
    let y = ops::matmul(x, w)?;
    ops::transpose(&ops::reshape(&y, &[1, 8, 2, 8])?, &[0, 2, 1, 3])
}

fn block(x: &Array, w: &[Array], gain: &Array) -> Result<Array> {
    let n = fast::rms_norm(x, Some(gain), 1e-5)?;
    let (q, k, v) = (heads(&n, &w[0])?, heads(&n, &w[1])?, heads(&n, &w[2])?);
    let q = fast::rope(&q, 8, false, Some(1e4), 1.0, 0, None)?;
    let k = fast::rope(&k, 8, false, Some(1e4), 1.0, 0, None)?;
    let scale = 1.0 / 8f32.sqrt();
    let y = fast::scaled_dot_product_attention(&q, &k, &v, scale, Mask::None, None)?;
    let y = ops::reshape(&ops::transpose(&y, &[0, 2, 1, 3])?, &[1, 8, 16])?;
    let x = ops::add(x, &ops::matmul(&y, &w[3])?)?;
    let n = fast::rms_norm(&x, Some(gain), 1e-5)?;
    let (g, u) = (ops::matmul(&n, &w[4])?, ops::matmul(&n, &w[5])?);
    let m = ops::multiply(&ops::tanh(&g)?, &u)?;
    ops::add(&x, &ops::matmul(&m, &w[6])?)
}

pub fn transformer(i: &Inputs) -> Result<Array> {
    let mut h = i.x.clone();
    for _ in 0..42 {
        h = block(&h, &i.w, &i.gain)?;
    }
    Ok(h)
}
