//! Each fused operation, forward and backward, beside the same thing composed of MLX's operations:
//! the sizes of SmolLM2-135M, one row of 128 tokens.
//!
//! `cargo bench -p mlx-runtime --bench fused` prints milliseconds, the best of 20.

use std::time::Instant;

use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::kernels::cpu as fused;
use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::transforms::{eval, value_and_grad};
use mlx_runtime::{ops, random, Array, Dtype, Result};

const TOKENS: i32 = 128;
const HIDDEN: i32 = 576;
const INNER: i32 = 1536;
const HEADS: [i32; 2] = [9, 3];
const HEAD_DIM: i32 = 64;
const VOCABULARY: i32 = 49152;

fn normal(shape: &[i32]) -> Result<Array> {
    let a = random::normal(shape, Dtype::Float32, 0.0, 0.05, None)?;
    a.eval()?;
    Ok(a)
}

/// Milliseconds for the value of sum(f) and its gradients with respect to the first `n` inputs.
fn time<F>(f: F, inputs: &[Array], n: usize) -> Result<f64>
where
    F: Fn(&[Array]) -> Result<Array> + Send + 'static,
{
    let argnums: Vec<i32> = (0..n as i32).collect();
    let step = value_and_grad(move |x| Ok(vec![ops::sum(&f(x)?, &[], false)?]), &argnums);
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        let (value, grads) = step.call(inputs)?;
        eval(&value.iter().chain(&grads).collect::<Vec<_>>())?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}

fn report(name: &str, fused: f64, composed: f64) {
    println!(
        "{name:22} {fused:8.2} ms, composed {composed:8.2} ms: {:.2}",
        fused / composed
    );
}

fn main() -> Result<()> {
    set_default_device(Device::cpu())?;
    let x = normal(&[1, TOKENS, HIDDEN])?;

    let inputs = [x.clone(), normal(&[1, TOKENS, HIDDEN])?, normal(&[HIDDEN])?];
    let both = |h: &Array, y: &Array| ops::multiply(h, y);
    report(
        "add_rms_norm",
        time(
            move |x| {
                let (h, y) = fused::add_rms_norm(&x[0], &x[1], &x[2], 1e-5, false)?;
                both(&h, &y)
            },
            &inputs,
            2,
        )?,
        time(
            move |x| {
                let h = ops::add(&x[0], &x[1])?;
                both(&h, &fast::rms_norm(&h, Some(&x[2]), 1e-5)?)
            },
            &inputs,
            2,
        )?,
    );

    let inputs = [normal(&[1, TOKENS, INNER])?, normal(&[1, TOKENS, INNER])?];
    report(
        "swiglu",
        time(|x| fused::swiglu(&x[0], &x[1]), &inputs, 2)?,
        time(
            |x| ops::multiply(&ops::multiply(&x[0], &ops::sigmoid(&x[0])?)?, &x[1]),
            &inputs,
            2,
        )?,
    );

    let [heads, kv_heads] = HEADS;
    let kv = [1, TOKENS, kv_heads * HEAD_DIM];
    let freqs: Vec<f32> = (0..HEAD_DIM / 2)
        .map(|i| 1e5f32.powf(-2.0 * i as f32 / HEAD_DIM as f32))
        .collect();
    let freqs = Array::from_slice(&freqs, &[HEAD_DIM / 2])?;
    let inputs = [x.clone(), normal(&kv)?, normal(&kv)?, freqs];
    report(
        "rope_attention",
        time(
            |x| fused::rope_attention(&x[0], &x[1], &x[2], &x[3], HEAD_DIM, true, 0.125, 0),
            &inputs,
            3,
        )?,
        time(
            move |x| {
                let split = |a: &Array, n| {
                    let a = ops::reshape(a, &[1, TOKENS, n, HEAD_DIM])?;
                    ops::transpose(&a, &[0, 2, 1, 3])
                };
                let rope = |a: Array| fast::rope(&a, HEAD_DIM, true, Some(1e5), 1.0, 0, None);
                fast::scaled_dot_product_attention(
                    &rope(split(&x[0], heads)?)?,
                    &rope(split(&x[1], kv_heads)?)?,
                    &split(&x[2], kv_heads)?,
                    0.125,
                    Mask::Causal,
                    None,
                )
            },
            &inputs,
            3,
        )?,
    );

    let targets = ops::arange(0.0, f64::from(TOKENS), 1.0, Dtype::Int32)?;
    let rows = ops::reshape(&x, &[TOKENS, HIDDEN])?;
    let weights = ops::ones(&[TOKENS], Dtype::Float32)?;
    let inputs = [rows, normal(&[VOCABULARY, HIDDEN])?, targets, weights];
    report(
        "linear_cross_entropy",
        time(
            |x| fused::linear_cross_entropy(&x[0], &x[1], &x[2], &x[3], true),
            &inputs,
            1,
        )?,
        time(
            |x| {
                let logits = ops::matmul(&x[0], &ops::transpose(&x[1], &[])?)?;
                let at = ops::take_along_axis(&logits, &ops::expand_dims(&x[2], &[-1])?, -1)?;
                let total = ops::logsumexp(&logits, &[-1], false)?;
                ops::multiply(&x[3], &ops::subtract(&total, &ops::squeeze(&at, &[-1])?)?)
            },
            &inputs,
            1,
        )?,
    );
    Ok(())
}
