//! Calls the operations of `dump_parity_more.py`.

use mlx_runtime::fft::{self, Norm};
use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::{linalg, ops, random, s, transforms, Array, Complex32, Dtype, Result};

use super::case::Case;

fn one(a: Array) -> Option<Vec<Array>> {
    Some(vec![a])
}

/// The outputs of a case, if it is one of these.
pub fn more(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    for find in [
        elementwise,
        shapes,
        parts,
        products,
        layers,
        draws,
        functions,
    ] {
        if let Some(found) = find(c, x)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn elementwise(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    let (axes, keep) = (c.ints("axes"), c.flag("keepdims"));
    Ok(match c.op.as_str() {
        "arccosh" => one(ops::arccosh(&(&x[0] + c.int("plus")))?),
        "trunc" => one(ops::trunc(&(&x[0] * c.int("times")))?),
        "round" => one(ops::round(&x[0], c.int("decimals"))?),
        "logical_xor" => one(ops::logical_xor(&x[0], &x[1])?),
        "where" => one(ops::where_(&x[0], &x[1], &x[2])?),
        "clip" if c.flag("low") => one(ops::clip(&x[0], Some(&x[1]), None)?),
        "clip" => one(ops::clip(&x[0], None, Some(&x[1]))?),
        "nan_to_num" => {
            let limit = |name: &str| c.maybe_float(name).map(|f| f as f32);
            let (high, low) = (limit("high"), limit("low"));
            one(ops::nan_to_num(&x[0], c.float("nan") as f32, high, low)?)
        }
        "isclose" => one(ops::isclose(&x[0], &x[1], 1e-2, 1e-3, c.flag("nan"))?),
        "allclose" => one(ops::allclose(&x[0], &x[1], 1e-2, 1e-3, c.flag("nan"))?),
        "array_equal" => one(ops::array_equal(&x[0], &x[1], c.flag("nan"))?),
        "count_nonzero" => one(ops::count_nonzero(&x[0], &axes, keep)?),
        "number_of_elements" => {
            let inverted = c.flag("inverted");
            one(ops::number_of_elements(
                &x[0],
                &axes,
                inverted,
                Dtype::Float32,
            )?)
        }
        "argpartition" => {
            let at = ops::argpartition(&x[0], c.int("k"), c.int("axis"))?;
            one(ops::sort(
                &ops::take_along_axis(&x[0], &at, c.int("axis"))?,
                None,
            )?)
        }
        "logaddexp_bf16" => one(ops::logaddexp(&x[0], &x[1])?),
        "sum_default" => one(ops::sum(&x[0], &[], false)?),
        "mean_default" => one(ops::mean(&x[0], &[], false)?),
        "softmax_axis" => one(ops::softmax(&x[0], &[-1], false)?),
        _ => None,
    })
}

fn shapes(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    let refs: Vec<&Array> = x.iter().collect();
    let shape = c.ints("shape");
    Ok(match c.op.as_str() {
        "flip" => one(ops::flip(&x[0], &c.ints("axes"))?),
        "pad" => {
            let widths: Vec<_> = c.ints("low").into_iter().zip(c.ints("high")).collect();
            let zero = Array::scalar(0i32)?;
            let value = if c.flag("zero") { &zero } else { &x[1] };
            one(ops::pad(&x[0], &widths, value)?)
        }
        "broadcast_arrays" => Some(ops::broadcast_arrays(&refs)?),
        "as_strided" => {
            let strides: Vec<i64> = c.ints("strides").into_iter().map(i64::from).collect();
            one(ops::as_strided(
                &x[0],
                &shape,
                &strides,
                c.int("offset") as usize,
            )?)
        }
        "contiguous" => {
            let made = ops::contiguous(&x[0].t()?, false)?;
            made.eval()?;
            assert!(made.is_row_contiguous()?);
            one(made)
        }
        "copy" => one(ops::copy(&x[0])?),
        "zeros" => one(ops::zeros(&shape, c.dtype())?),
        "ones" => one(ops::ones(&shape, c.dtype())?),
        "zeros_like_dtype" => one(ops::zeros_like_dtype(&x[0], c.dtype())?),
        "ones_like_dtype" => one(ops::ones_like_dtype(&x[0], c.dtype())?),
        "full" => one(ops::full(&shape, &x[0], c.dtype())?),
        "linspace_endpoint" => {
            let (start, stop) = (c.float("start"), c.float("stop"));
            let made = ops::linspace_endpoint(start, stop, c.int("num"), false, Dtype::Float32);
            one(made?)
        }
        _ => None,
    })
}

fn parts(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    let both = [0, 1];
    let one_of = |shape: &[i32]| ops::reshape(&x[3], shape);
    // The updates are slices of size 1.
    let updates = || one_of(&[3, 1, 1]);
    Ok(match c.op.as_str() {
        "slice_update" => {
            let (start, stop, strides) = (c.ints("start"), c.ints("stop"), c.ints("strides"));
            one(ops::slice_update(&x[0], &x[1], &start, &stop, &strides)?)
        }
        "scatter_add_axis" => one(ops::scatter_add_axis(&x[0], &x[1], &x[2], c.int("axis"))?),
        "gather" => one(ops::gather(
            &x[0],
            &[&x[1], &x[2]],
            &both,
            &c.ints("sizes"),
        )?),
        "scatter" => one(ops::scatter(&x[0], &[&x[1], &x[2]], &updates()?, &both)?),
        "scatter_add" => one(ops::scatter_add(
            &x[0],
            &[&x[1], &x[2]],
            &updates()?,
            &both,
        )?),
        "scatter_prod" => one(ops::scatter_prod(
            &x[0],
            &[&x[1], &x[2]],
            &updates()?,
            &both,
        )?),
        "scatter_max" => one(ops::scatter_max(
            &x[0],
            &[&x[1], &x[2]],
            &updates()?,
            &both,
        )?),
        "scatter_min" => one(ops::scatter_min(
            &x[0],
            &[&x[1], &x[2]],
            &updates()?,
            &both,
        )?),
        _ => None,
    })
}

fn products(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    let how = || (c.int("group"), c.int("bits"));
    let norm = match c.text("norm") {
        "ortho" => Norm::Ortho,
        "forward" => Norm::Forward,
        _ => Norm::Backward,
    };
    let (n, axes) = (c.ints("n"), c.ints("axes"));
    Ok(match c.op.as_str() {
        "gather_mm" => one(ops::gather_mm(&x[0], &x[1], None, Some(&x[2]), false)?),
        "quantize" => {
            let (w, scales, biases) = ops::quantize(&x[0], how().0, how().1)?;
            Some(vec![w, scales, biases])
        }
        "dequantize" => {
            let (w, scales, biases) = ops::quantize(&x[0], how().0, how().1)?;
            one(ops::dequantize(&w, &scales, &biases, how().0, how().1)?)
        }
        "quantized_matmul" => {
            let (w, scales, biases) = ops::quantize(&x[1], how().0, how().1)?;
            let (group, bits) = how();
            one(ops::quantized_matmul(
                &x[0], &w, &scales, &biases, true, group, bits,
            )?)
        }
        "quantized_matmul_plain" => {
            let (w, scales, biases) = ops::quantize(&x[1], 64, 4)?;
            let x = x[0].index(s![.., ..4])?;
            one(ops::quantized_matmul(
                &x, &w, &scales, &biases, false, 64, 4,
            )?)
        }
        // Those without a norm are called elsewhere.
        "fft" if norm != Norm::Backward => one(fft::fft(&x[0], c.int("n"), c.int("axis"), norm)?),
        "ifft" if norm != Norm::Backward => one(fft::ifft(&x[0], c.int("n"), c.int("axis"), norm)?),
        "rfft" if norm != Norm::Backward => one(fft::rfft(&x[0], c.int("n"), c.int("axis"), norm)?),
        "irfft2" if norm != Norm::Backward => one(fft::irfft2(&x[0], &n, &axes, norm)?),
        "fftn" if norm != Norm::Backward => one(fft::fftn(&x[0], &n, &axes, norm)?),
        "svd" => {
            let all = linalg::svd(&x[0], true)?;
            Some(all.iter().map(ops::abs).collect::<Result<_>>()?)
        }
        "eig_values" => one(ops::sort(&linalg::eig(&x[0])?.0.real()?, None)?),
        "eigvals" => {
            let values = linalg::eigvals(&x[0])?;
            assert_eq!(values.to_vec::<Complex32>()?.len(), 3);
            one(ops::sort(&values.real()?, None)?)
        }
        _ => None,
    })
}

fn layers(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    let eps = c.maybe_float("eps").unwrap_or(1e-5) as f32;
    Ok(match c.op.as_str() {
        "rms_norm" => one(fast::rms_norm(&x[0], x.get(1), eps)?),
        "layer_norm" => one(fast::layer_norm(&x[0], x.get(1), x.get(2), eps)?),
        "attention" => {
            let (mask, sinks) = match c.text("mask") {
                "causal" => (Mask::Causal, None),
                "array" => (Mask::Array(&x[3]), None),
                "sinks" => (Mask::None, Some(&x[3])),
                _ => (Mask::None, None),
            };
            let scale = 8f32.powf(-0.5);
            let y = fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], scale, mask, sinks);
            one(y?)
        }
        "cross_entropy" => one(fast::cross_entropy(&x[0], &x[1])?),
        _ => None,
    })
}

fn draws(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    let key = random::key(5)?;
    let some = Some(&key);
    Ok(match c.op.as_str() {
        "uniform" => {
            let low = Array::scalar(-1f32)?;
            one(random::uniform(&low, &x[0], &[2, 3], c.dtype(), some)?)
        }
        "normal_dtype" => one(random::normal(&[3], c.dtype(), 0.0, 1.0, some)?),
        "randint" => {
            let low = Array::scalar(0i32)?;
            one(random::randint(&low, &x[0], &[2, 3], c.dtype(), some)?)
        }
        "bernoulli" => one(random::bernoulli(&x[0], &c.ints("shape"), some)?),
        "categorical" => one(random::categorical(&x[0], c.int("axis"), some)?),
        "shuffle" => one(random::shuffle(&x[0], c.int("axis"), some)?),
        "key" => one(key.as_array().clone()),
        "split_key" => one(random::split(&key, c.int("num"))?),
        _ => None,
    })
}

/// `[sin(a) b, sum(exp(a / 2) + b^2)]`.
fn both(x: &[Array]) -> Result<Vec<Array>> {
    let (a, b) = (&x[0], &x[1]);
    let first = a.sin()? * b;
    let sum = (a * 0.5).exp()? + b.square();
    Ok(vec![first, sum.sum(&[], false)?])
}

fn functions(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    let second = |x: &[Array]| Ok(vec![both(x)?.remove(1)]);
    let flat = |(mut a, b): (Vec<Array>, Vec<Array>)| {
        a.extend(b);
        Some(a)
    };
    Ok(match c.op.as_str() {
        "jvp" => flat(transforms::jvp(
            both,
            x,
            &[ops::ones_like(&x[0])?, &x[1] * 2],
        )?),
        "vjp" => {
            let cotangents = [x[0].clone(), Array::scalar(2f32)?];
            flat(transforms::vjp(both, x, &cotangents)?)
        }
        "grad" => Some(transforms::grad(second, &[0, 1]).call(x)?),
        "value_and_grad" => flat(transforms::value_and_grad(second, &[1]).call(x)?),
        "second_derivative" => {
            let inner = |x: &[Array]| Ok(vec![ops::tanh(&x[0])?.sum(&[], false)?]);
            let outer = move |x: &[Array]| {
                let first = transforms::grad(inner, &[0]).call(x)?;
                Ok(vec![first[0].sum(&[], false)?])
            };
            Some(transforms::grad(outer, &[0]).call(x)?)
        }
        "vmap" => {
            let f = |x: &[Array]| Ok(vec![x[0].matmul(&x[1])? + x[0].sum(&[], false)?]);
            Some(transforms::vmap(f, &[Some(0), None], &[0]).call(x)?)
        }
        "vmap_out" => {
            let f = |x: &[Array]| Ok(vec![x[0].cumsum(0, false, true)?]);
            Some(transforms::vmap(f, &[Some(2)], &[1]).call(x)?)
        }
        "checkpoint" => {
            let f = |x: &[Array]| Ok(vec![x[0].sin()?.exp()?.sum(&[], false)?]);
            let again = transforms::checkpoint(f);
            let grad = transforms::grad(move |x: &[Array]| again.call(x), &[0]);
            Some(grad.call(x)?)
        }
        "compile" => Some(transforms::compile(both, false).call(x)?),
        _ => None,
    })
}
