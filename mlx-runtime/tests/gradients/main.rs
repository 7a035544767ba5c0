//! Gradients beside finite differences. For every operation of floats, the gradient of a weighted sum of its outputs in
//! float32 is compared with central differences, in float64 if MLX computes the operation in it. Operations without a
//! gradient are listed, and must return an error.

mod table;

use std::collections::BTreeSet;

use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::{ops, transforms, Array, Dtype, Result};
use table::{Case, Function};

/// Operations that MLX does not differentiate; the error of each names it.
const NONE: &[&str] = &[
    "cholesky",
    "cholesky_inv",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lu",
    "lu_factor",
    "pinv",
    "qr",
    "scatter_prod",
    "scatter_prod_single",
    "segmented_mm",
    "solve",
    "solve_triangular",
    "svd",
    "tri_inv",
];

/// Operations that MLX computes in float32 alone, or inaccurately in float64.
const SINGLE: &[&str] = &[
    "block_masked_mm",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_general",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cos",
    "cross_entropy",
    "erf",
    "exp",
    "fft",
    "fft2",
    "fftn",
    "gather_mm",
    "hadamard_transform",
    "ifft",
    "ifft2",
    "irfft",
    "layer_norm",
    "nan_to_num",
    "packed_matmul",
    "quantized_matmul",
    "rfft",
    "rfft2",
    "rms_norm",
    "rope",
    "scaled_dot_product_attention",
    "softmax",
];

/// Numbers without a pattern, the same in every run, none of them twice.
fn numbers(seed: usize, n: usize) -> impl Iterator<Item = f64> {
    // The golden ratio spreads the fractions evenly.
    (1..=n).map(move |i| ((seed * 37 + i) as f64 * 0.618_033_988_749_895 + 0.013).fract())
}

fn inputs(case: &Case, dtype: Dtype) -> Vec<Array> {
    let mut made = Vec::new();
    for (i, &(low, high, shape)) in case.inputs.iter().enumerate() {
        let n: i32 = shape.iter().product();
        // Exact in float32, so that both precisions see the same point.
        let values: Vec<f32> = numbers(i + case.inputs.len(), n as usize)
            .map(|f| (low + (high - low) * f) as f32)
            .collect();
        let a = Array::from_slice(&values, shape).unwrap();
        made.push(ops::astype(&a, dtype).unwrap());
    }
    made
}

/// A scalar of all outputs, with a different weight for each number, and for both parts of complex ones.
fn weighted(outputs: Vec<Array>) -> Result<Array> {
    let mut parts = Vec::new();
    for a in outputs {
        match a.dtype() {
            Dtype::Complex64 => parts.extend([ops::real(&a)?, ops::imag(&a)?]),
            d if d.is_float() => parts.push(a),
            // Indices beside values.
            _ => {}
        }
    }
    let mut total: Option<Array> = None;
    for (i, a) in parts.iter().enumerate() {
        let weights: Vec<f32> = numbers(i + 91, a.size()).map(|f| f as f32 + 0.25).collect();
        let weights = ops::astype(&Array::from_slice(&weights, a.shape())?, a.dtype())?;
        let sum = ops::sum(&ops::multiply(a, &weights)?, &[], false)?;
        total = Some(match total {
            None => sum,
            Some(t) => ops::add(&t, &sum)?,
        });
    }
    total.map_or_else(|| Array::scalar(0f32), Ok)
}

fn gradient(f: Function, x: &[Array]) -> Result<Vec<Array>> {
    let all: Vec<i32> = (0..x.len() as i32).collect();
    let grads = transforms::grad(move |x: &[Array]| Ok(vec![weighted(f(x)?)?]), &all).call(x)?;
    for g in &grads {
        g.eval()?;
    }
    Ok(grads)
}

fn value(f: Function, x: &[Array]) -> Result<f64> {
    ops::astype(&weighted(f(x)?)?, Dtype::Float64)?.item::<f64>()
}

/// The derivative by element `at` of input `of`, from four values: the error goes with h^4.
fn difference(f: Function, x: &[Array], of: usize, at: usize, h: f64) -> Result<f64> {
    let shifted = |by: f64| {
        let mut all = x.to_vec();
        let mut values = ops::astype(&x[of], Dtype::Float64)?.to_vec::<f64>()?;
        values[at] += by;
        let moved = Array::from_slice(&values, x[of].shape())?;
        all[of] = ops::astype(&moved, x[of].dtype())?;
        value(f, &all)
    };
    let (one, two) = (
        shifted(h)? - shifted(-h)?,
        shifted(2.0 * h)? - shifted(-2.0 * h)?,
    );
    Ok((8.0 * one - two) / (12.0 * h))
}

/// Checks a case; the error says what is wrong.
fn check(case: &Case) -> std::result::Result<(), String> {
    let single = SINGLE.contains(&case.name);
    let fine = inputs(
        case,
        if single {
            Dtype::Float32
        } else {
            Dtype::Float64
        },
    );
    let (h, allowed) = if single { (0.02, 2e-3) } else { (1e-3, 2e-5) };
    let text = |e: mlx_runtime::Error| format!("{}: {e}", case.name);
    let grads = gradient(case.f, &inputs(case, Dtype::Float32)).map_err(text)?;
    for (of, g) in grads.iter().enumerate() {
        if g.shape() != fine[of].shape() || g.dtype() != Dtype::Float32 {
            return Err(format!("{}: {g:?} for {:?}", case.name, fine[of]));
        }
        let g = g.to_vec::<f32>().map_err(text)?;
        let mut expected = Vec::new();
        for at in 0..g.len() {
            expected.push(difference(case.f, &fine, of, at, h).map_err(text)?);
        }
        let largest = expected.iter().fold(1.0, |m: f64, e| m.max(e.abs()));
        for (at, (g, e)) in g.iter().zip(&expected).enumerate() {
            let apart = (f64::from(*g) - e).abs();
            if apart.is_nan() || apart > allowed * largest {
                return Err(format!(
                    "{}: input {of}, element {at}: {g}, by differences {e}",
                    case.name
                ));
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_are_those_of_finite_differences() {
    // Only a CPU computes in float64.
    set_default_device(Device::cpu()).unwrap();
    let cases: Vec<Case> = [
        table::elementwise(),
        table::reductions(),
        table::shapes(),
        table::indexing(),
        table::products(),
        table::spectra(),
        table::layers(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut wrong = Vec::new();
    let (mut right, mut none) = (BTreeSet::new(), BTreeSet::new());
    for case in &cases {
        if NONE.contains(&case.name) {
            match gradient(case.f, &inputs(case, Dtype::Float32)) {
                Ok(_) => wrong.push(format!("{} has a gradient", case.name)),
                Err(e) if e.op().is_some() => {
                    none.insert(case.name);
                }
                Err(e) => wrong.push(format!("{}: {e} names no operation", case.name)),
            }
            continue;
        }
        match check(case) {
            Ok(()) => {
                right.insert(case.name);
            }
            Err(why) => wrong.push(why),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert_eq!(none.len(), NONE.len(), "{none:?}");
    assert!(right.len() >= 179, "{}", right.len());
}

#[test]
fn the_value_of_a_padding_has_no_gradient() {
    set_default_device(Device::cpu()).unwrap();
    let f = |x: &[Array]| {
        let padded = ops::pad(&x[0], &[(1, 1)], &x[1])?;
        let more = ops::pad_symmetric(&padded, 1, &x[1], ops::PadMode::Constant)?;
        Ok(vec![ops::sum(&ops::square(&more)?, &[], false)?])
    };
    let x = [
        Array::from_slice(&[2f32], &[1]).unwrap(),
        Array::scalar(3f32).unwrap(),
    ];
    let grads = transforms::grad(f, &[0, 1]).call(&x).unwrap();
    assert_eq!(grads[0].to_vec::<f32>().unwrap(), [4.0]);
    assert_eq!(grads[1].item::<f32>().unwrap(), 0.0);
}
