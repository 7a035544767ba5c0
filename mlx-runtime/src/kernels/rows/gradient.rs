//! The gradient of a kernel: a launch of its own, and what is composed around it.
//!
//! Tests: `mlx-tests --test kernels`.

use super::asked::asked;
use super::program::dtype;
use super::{chosen, Composed, Gradient, Kernel, Source, Way};
use crate::{context, ops, transforms, Array, Dtype, Error, Result};

/// The gradients of all inputs that `gradient` computes, and zeros for the others; where it cannot, those of all inputs by
/// MLX's operations. `x` are the inputs, the cotangents and the outputs.
pub(super) fn derived<F: Composed>(
    kernel: &'static Kernel,
    gradient: Option<&'static Gradient>,
    x: &[Array],
    sizes: &[i64],
    numbers: &[f32],
    float: Dtype,
    composed: F,
) -> Result<Vec<Array>> {
    let count = kernel.forward.inputs.len();
    let given = count + kernel.forward.outputs.len();
    // The composed form has no numbers that are kept.
    let of_results = &x[..count + kernel.results];
    let whole = move |x: &[Array]| {
        let (primals, cotangents) = x.split_at(count);
        Ok(transforms::vjp(composed.clone(), primals, cotangents)?.1)
    };
    let twice = context::is_differentiating_twice();
    let is_output = |s: &Source| matches!(s, Source::Output(_));
    // A gradient that reads an output is no function of the inputs, which a second derivative needs.
    let fits = |g: &&Gradient| !twice || !g.inputs.iter().any(is_output);
    let derived = gradient.filter(fits);
    let way = derived.and_then(|g| Some((g, chosen(&g.program, sizes, numbers, float)?)));
    let Some((gradient, way)) = way else {
        return whole(of_results);
    };
    // Cotangents may have another dtype.
    let inputs = gradient.inputs.iter().zip(gradient.program.inputs);
    let inputs: Vec<Array> = inputs
        .map(|(s, class)| match s {
            Source::Input(i) => Ok(x[*i].clone()),
            Source::Cotangent(i) => cast(&x[count + i], dtype(*class, float)),
            Source::Output(i) => Ok(x[given + i].clone()),
        })
        .collect::<Result<_>>()?;
    let parts = match twice {
        true => recorded(gradient, way, &inputs, of_results, count, whole)?,
        false => way.run(&inputs)?,
    };
    let mut grads: Vec<Option<Array>> = vec![None; count];
    for ((of, axes), mut g) in gradient.outputs.iter().zip(parts) {
        let like = &x[of[0]];
        if !axes.is_empty() {
            g = ops::sum(&g, axes, false)?;
        } else if g.shape() != like.shape() {
            g = ops::sum(&g, &[0], false)?;
        }
        if g.shape() != like.shape() {
            g = ops::reshape(&g, like.shape())?;
        }
        let g = cast(&g, like.dtype())?;
        for i in *of {
            grads[*i] = Some(g.clone());
        }
    }
    let asked = asked(count);
    let filled = grads.into_iter().zip(x).enumerate();
    filled
        .map(|(i, (g, like))| match g {
            Some(g) => Ok(g),
            // Nothing reads what is not asked for.
            None if asked.as_ref().is_some_and(|all| !all[i]) => Ok(like.clone()),
            None => ops::zeros_like(like),
        })
        .collect()
}

fn cast(a: &Array, dtype: Dtype) -> Result<Array> {
    match a.dtype() == dtype {
        true => Ok(a.clone()),
        false => ops::astype(a, dtype),
    }
}

/// The outputs of the gradient's program, where a derivative of them is taken. It is composed: of all inputs, and in the form
/// of the program's outputs. What the program does not read has no effect, and is not kept for that.
fn recorded<W: Composed>(
    gradient: &'static Gradient,
    way: Way,
    inputs: &[Array],
    x: &[Array],
    count: usize,
    whole: W,
) -> Result<Vec<Array>> {
    let all: Vec<(Vec<i32>, Dtype)> = x.iter().map(|x| (x.shape().to_vec(), x.dtype())).collect();
    let shapes = way.shapes();
    let same = move |by: &[Array]| {
        let mut x: Vec<Array> = all
            .iter()
            .map(|(shape, dtype)| ops::zeros(shape, *dtype))
            .collect::<Result<_>>()?;
        for (s, a) in gradient.inputs.iter().zip(by) {
            match s {
                Source::Input(i) => x[*i] = a.clone(),
                Source::Cotangent(i) => x[count + i] = a.clone(),
                Source::Output(_) => {
                    let text = "a gradient that reads results has no derivative";
                    return Err(Error::invalid("mlx_kernel", text));
                }
            }
        }
        let grads = whole(&x)?;
        let outputs = gradient.outputs.iter().zip(&shapes);
        outputs
            .map(|((of, axes), shape)| first_term(&grads[of[0]], shape, axes))
            .collect::<Result<Vec<Array>>>()
    };
    let again = same.clone();
    let backward = move |x: &[Array]| {
        let (primals, rest) = x.split_at(gradient.inputs.len());
        let cotangents = &rest[..gradient.outputs.len()];
        Ok(transforms::vjp(again.clone(), primals, cotangents)?.1)
    };
    way.apply(inputs, same, backward)
}

/// A gradient as an output of the gradient's program, whose terms it is the sum of: the first term, and zeros.
fn first_term(g: &Array, shape: &[i64], axes: &[i32]) -> Result<Array> {
    let shape: Vec<i32> = shape
        .iter()
        .map(|n| i32::try_from(*n).unwrap_or(i32::MAX))
        .collect();
    if axes.is_empty() && g.shape() == shape {
        return Ok(g.clone());
    }
    let axes = if axes.is_empty() { &[0] } else { axes };
    let one = |(i, n): (usize, &i32)| if axes.contains(&(i as i32)) { 1 } else { *n };
    let alone: Vec<i32> = shape.iter().enumerate().map(one).collect();
    let g = ops::astype(&ops::reshape(g, &alone)?, Dtype::Float32)?;
    let after: Vec<(i32, i32)> = shape
        .iter()
        .zip(&alone)
        .map(|(n, one)| (0, n - one))
        .collect();
    ops::pad(&g, &after, &Array::scalar(0f32)?)
}
