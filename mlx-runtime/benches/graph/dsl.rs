//! The graph through code that the macros generate.

use mlx_macros::mlx_fn;
use mlx_runtime::{Array, Result};

use crate::Inputs;

/// The same block as `safe::block`.
#[mlx_fn]
#[allow(clippy::too_many_arguments)]
fn block(
    x: Tensor![B, L, 16],
    wq: Tensor![16, 16],
    wk: Tensor![16, 16],
    wv: Tensor![16, 16],
    wo: Tensor![16, 16],
    wg: Tensor![16, 16],
    wu: Tensor![16, 16],
    wd: Tensor![16, 16],
    gain: Tensor![16],
) -> Tensor![B, L, 16] {
    let n = rms_norm(x, gain, 1e-5);
    let q = rearrange!("b l (h d) -> b h l d", matmul(n, wq), h = 2);
    let k = rearrange!("b l (h d) -> b h l d", matmul(n, wk), h = 2);
    let v = rearrange!("b l (h d) -> b h l d", matmul(n, wv), h = 2);
    let y = scaled_dot_product_attention(rope(q, 8, false), rope(k, 8, false), v);
    let x = x + matmul(rearrange!("b h l d -> b l (h d)", y), wo);
    let n = rms_norm(x, gain, 1e-5);
    x + matmul(tanh(matmul(n, wg)) * matmul(n, wu), wd)
}

pub fn transformer(i: &Inputs) -> Result<Array> {
    let (w, g) = (&i.w, &i.gain);
    let mut h = i.x.clone();
    for _ in 0..42 {
        h = block(&h, &w[0], &w[1], &w[2], &w[3], &w[4], &w[5], &w[6], g)?;
    }
    Ok(h)
}
