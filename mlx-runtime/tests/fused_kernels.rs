//! The fused operations give the values and gradients of the same operations composed from MLX's: grouped heads,
//! batches, both rotary layouts, masked rows, strided inputs, checkpoints, compilation. They refuse inputs that do not
//! fit.

use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::kernels::cpu as fused;
use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::transforms::{checkpoint, compile, value_and_grad};
use mlx_runtime::{ops, Array, Dtype, ErrorKind, Result};

#[path = "../../tests/levels.rs"]
mod levels;
#[path = "fused_kernels/long_rows.rs"]
mod long_rows;

type Inputs = Vec<Array>;

/// Numbers in -1..1 without a pattern, the same at every run.
fn noise(shape: &[i32], seed: u64) -> Array {
    set_default_device(Device::cpu()).unwrap();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let values: Vec<f32> = (0..shape.iter().product::<i32>())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    Array::from_slice(&values, shape).unwrap()
}

/// Equal to 1e-5 of the largest magnitude of the expected array.
fn assert_close(got: &Array, expected: &Array, what: &str) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    let (got, expected) = (
        got.to_vec::<f32>().unwrap(),
        expected.to_vec::<f32>().unwrap(),
    );
    let size = expected.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in got.iter().zip(&expected).enumerate() {
        assert!(
            (a - b).abs() <= 1e-5 * size,
            "{what}, element {i}: {a} is not {b}"
        );
    }
}

/// Compares values and gradients of two functions of the same inputs: plain, in a checkpoint, and
/// with inputs that lie in another order in memory.
fn assert_same<F, G>(fused: F, composed: G, inputs: &[Array], argnums: &[i32])
where
    F: Fn(&[Array]) -> Result<Array> + Send + Clone + 'static,
    G: Fn(&[Array]) -> Result<Array> + Send + Clone + 'static,
{
    // Another weight for each element, so that no error cancels in the sum.
    fn loss(y: &Array) -> Result<Array> {
        let weights = noise(y.shape(), 99);
        ops::sum(&ops::multiply(y, &weights)?, &[], false)
    }
    let expected = composed(inputs).unwrap();
    let of_composed = composed.clone();
    let (_, expected_grads) = value_and_grad(move |x| Ok(vec![loss(&of_composed(x)?)?]), argnums)
        .call(inputs)
        .unwrap();
    let strided: Inputs = inputs.iter().map(another_order).collect();
    for (inputs, order) in [(inputs, "dense"), (&strided, "strided")] {
        assert!(fused::available(&inputs[0]));
        assert_close(&fused(inputs).unwrap(), &expected, order);
        let of_fused = fused.clone();
        let (_, grads) = value_and_grad(move |x| Ok(vec![loss(&of_fused(x)?)?]), argnums)
            .call(inputs)
            .unwrap();
        for (i, (got, expected)) in grads.iter().zip(&expected_grads).enumerate() {
            assert_close(got, expected, &format!("{order}, gradient {i}"));
        }
    }
    // One gradient at a time, because none may depend on another one being asked for.
    for (i, argnum) in argnums.iter().enumerate() {
        let of_fused = fused.clone();
        let again = checkpoint(move |x| Ok(vec![of_fused(x)?]));
        let (_, grads) = value_and_grad(move |x| Ok(vec![loss(&again.call(x)?[0])?]), &[*argnum])
            .call(inputs)
            .unwrap();
        assert_close(&grads[0], &expected_grads[i], "checkpointed");
    }
    let of_fused = fused.clone();
    for shapeless in [false, true] {
        let of_fused = of_fused.clone();
        let compiled = compile(move |x| Ok(vec![of_fused(x)?]), shapeless);
        assert_close(&compiled.call(inputs).unwrap()[0], &expected, "compiled");
    }
}

/// The same values, with the axes in reverse order in memory.
fn another_order(a: &Array) -> Array {
    let axes: Vec<i32> = (0..a.ndim() as i32).rev().collect();
    let reversed = ops::contiguous(&ops::transpose(a, &axes).unwrap(), false).unwrap();
    ops::transpose(&reversed, &axes).unwrap()
}

#[test]
fn rms_norm() {
    for shape in [&[3, 64][..], &[2, 5, 17], &[1, 1, 576], &[7]] {
        let d = *shape.last().unwrap();
        assert_same(
            |x| fused::rms_norm(&x[0], &x[1], 1e-5, false),
            |x| fast::rms_norm(&x[0], Some(&x[1]), 1e-5),
            &[noise(shape, 1), noise(&[d], 2)],
            &[0, 1],
        );
    }
}

#[test]
fn add_rms_norm() {
    let join = |h: Array, y: Array| ops::concatenate(&[&h, &y], -1);
    assert_same(
        move |x| {
            let (h, y) = fused::add_rms_norm(&x[0], &x[1], &x[2], 1e-6, false)?;
            join(h, y)
        },
        move |x| {
            let h = ops::add(&x[0], &x[1])?;
            let y = fast::rms_norm(&h, Some(&x[2]), 1e-6)?;
            join(h, y)
        },
        &[
            noise(&[2, 3, 40], 1),
            noise(&[2, 3, 40], 2),
            noise(&[40], 3),
        ],
        &[0, 1, 2],
    );
    // Only one of the two outputs is used.
    assert_same(
        |x| Ok(fused::add_rms_norm(&x[0], &x[1], &x[2], 1e-6, false)?.1),
        |x| fast::rms_norm(&ops::add(&x[0], &x[1])?, Some(&x[2]), 1e-6),
        &[noise(&[3, 40], 1), noise(&[3, 40], 2), noise(&[40], 3)],
        &[0, 1, 2],
    );
}

#[test]
fn swiglu() {
    let composed = |x: &[Array]| {
        let silu = ops::multiply(&x[0], &ops::sigmoid(&x[0])?)?;
        ops::multiply(&silu, &x[1])
    };
    for (shape, size) in [(&[3, 33][..], 1.0f32), (&[2, 1, 7], 30.0), (&[5], 100.0)] {
        let g = ops::multiply(&noise(shape, 1), Array::scalar(size).unwrap()).unwrap();
        assert_same(
            |x| fused::swiglu(&x[0], &x[1]),
            composed,
            &[g, noise(shape, 2)],
            &[0, 1],
        );
    }
}

#[test]
fn geglu() {
    let composed = |x: &[Array]| ops::multiply(&mlx_runtime::nn::gelu_approx(&x[0])?, &x[1]);
    for shape in [&[3, 33][..], &[2, 1, 7], &[5], &[2, 3, 2, 5]] {
        assert_same(
            |x| fused::geglu(&x[0], &x[1]),
            composed,
            &[noise(shape, 1), noise(shape, 2)],
            &[0, 1],
        );
    }
}

#[test]
fn layer_norm() {
    for shape in [&[3, 64][..], &[2, 5, 17], &[1, 1, 576], &[7]] {
        let d = *shape.last().unwrap();
        assert_same(
            |x| fused::layer_norm(&x[0], &x[1], Some(&x[2]), 1e-5),
            |x| fast::layer_norm(&x[0], Some(&x[1]), Some(&x[2]), 1e-5),
            &[noise(shape, 1), noise(&[d], 2), noise(&[d], 3)],
            &[0, 1, 2],
        );
        assert_same(
            |x| fused::layer_norm(&x[0], &x[1], None, 1e-5),
            |x| fast::layer_norm(&x[0], Some(&x[1]), None, 1e-5),
            &[noise(shape, 1), noise(&[d], 2)],
            &[0, 1],
        );
    }
}

#[test]
fn a_frozen_weight_has_no_gradient() {
    let inputs = [
        noise(&[2, 3, 40], 1),
        noise(&[2, 3, 40], 2),
        noise(&[40], 3),
    ];
    let of = |frozen: bool| {
        let total = move |x: &[Array]| {
            let (h, y) = fused::add_rms_norm(&x[0], &x[1], &x[2], 1e-6, frozen)?;
            let z = fused::rms_norm(&h, &x[2], 1e-6, frozen)?;
            Ok(vec![ops::sum(
                &ops::multiply(&z, &ops::square(&y)?)?,
                &[],
                false,
            )?])
        };
        value_and_grad(total, &[0, 1, 2]).call(&inputs).unwrap().1
    };
    let (trained, frozen) = (of(false), of(true));
    assert_close(&frozen[0], &trained[0], "x");
    assert_close(&frozen[1], &trained[1], "r");
    assert!(trained[2]
        .to_vec::<f32>()
        .unwrap()
        .iter()
        .any(|g| *g != 0.0));
    assert_eq!(frozen[2].to_vec::<f32>().unwrap(), [0.0; 40]);
}

#[test]
fn rope_attention() {
    // Batch, rows, query heads, key heads, features, traditional, offset. 130 and 300 rows are
    // more than one block of queries.
    let cases = [
        (1, 1, 1, 1, 4, false, 0),
        (2, 7, 4, 2, 8, true, 0),
        (1, 33, 9, 3, 64, false, 5),
        (2, 130, 2, 2, 16, true, 3),
        (1, 300, 8, 1, 8, false, 0),
    ];
    for (b, l, h, k, d, traditional, offset) in cases {
        let freqs: Vec<f32> = (0..d / 2).map(|i| 0.5 / (i + 1) as f32).collect();
        let freqs = Array::from_slice(&freqs, &[d / 2]).unwrap();
        let scale = (d as f32).powf(-0.5) * 3.0;
        let composed = move |x: &[Array]| {
            let heads =
                |a: &Array, n: i32| ops::transpose(&ops::reshape(a, &[b, l, n, d])?, &[0, 2, 1, 3]);
            let turn = |a: &Array| {
                let periods = ops::reciprocal(&x[3])?;
                fast::rope(a, d, traditional, None, 1.0, offset, Some(&periods))
            };
            let y = fast::scaled_dot_product_attention(
                &turn(&heads(&x[0], h)?)?,
                &turn(&heads(&x[1], k)?)?,
                &heads(&x[2], k)?,
                scale,
                Mask::Causal,
                None,
            )?;
            ops::reshape(&ops::transpose(&y, &[0, 2, 1, 3])?, &[b, l, h * d])
        };
        assert_same(
            move |x| {
                fused::rope_attention(&x[0], &x[1], &x[2], &x[3], d, traditional, scale, offset)
            },
            composed,
            &[
                noise(&[b, l, h * d], 1),
                noise(&[b, l, k * d], 2),
                noise(&[b, l, k * d], 3),
                freqs,
            ],
            &[0, 1, 2],
        );
    }
}

/// Weighted losses of every row, of whole logits.
fn composed_cross_entropy(x: &Array, w: &Array, targets: &Array, weights: &Array) -> Result<Array> {
    let logits = ops::matmul(x, &ops::transpose(w, &[])?)?;
    let at_target = ops::take_along_axis(&logits, &ops::expand_dims(targets, &[-1])?, -1)?;
    let total = ops::logsumexp(&logits, &[-1], false)?;
    ops::multiply(
        weights,
        &ops::subtract(&total, &ops::squeeze(&at_target, &[-1])?)?,
    )
}

fn targets(n: i32, vocabulary: i32) -> Array {
    let all: Vec<i32> = (0..n).map(|i| (i * 7 + 3) % vocabulary).collect();
    Array::from_slice(&all, &[n]).unwrap()
}

#[test]
fn linear_cross_entropy() {
    // 600 rows are three chunks; every third one is masked.
    for (n, vocabulary, d) in [(1, 3, 4), (6, 50, 16), (600, 37, 8)] {
        let weights: Vec<f32> = (0..n).map(|i| (i % 3) as f32 * 0.7).collect();
        let weights = Array::from_slice(&weights, &[n]).unwrap();
        let (t, w) = (targets(n, vocabulary), noise(&[vocabulary, d], 2));
        let x = ops::multiply(&noise(&[n, d], 1), Array::scalar(4.0f32).unwrap()).unwrap();
        let constants = [w, t, weights];
        let [w, t, weights] = constants.clone();
        let fused_of =
            move |x: &[Array], grad| fused::linear_cross_entropy(&x[0], &w, &t, &weights, grad);
        let [w, t, weights] = constants;
        let composed = move |x: &[Array]| composed_cross_entropy(&x[0], &w, &t, &weights);
        let value_only = fused_of(std::slice::from_ref(&x), false).unwrap();
        assert_close(
            &value_only,
            &composed(std::slice::from_ref(&x)).unwrap(),
            "value",
        );
        assert_same(move |x| fused_of(x, true), composed, &[x], &[0]);
    }
}

#[test]
fn rows_of_weight_zero_may_hold_anything() {
    let x = Array::from_slice(&[f32::NAN, 1.0, 0.5, -0.5, 2.0, f32::INFINITY], &[3, 2]).unwrap();
    let weights = Array::from_slice(&[0.0f32, 2.0, 0.0], &[3]).unwrap();
    let t = Array::from_slice(&[-100i32, 1, 1 << 30], &[3]).unwrap();
    let w = noise(&[5, 2], 1);
    let total = move |x: &[Array]| {
        let losses = fused::linear_cross_entropy(&x[0], &w, &t, &weights, true)?;
        Ok(vec![ops::sum(&losses, &[], false)?])
    };
    let (loss, grads) = value_and_grad(total, &[0]).call(&[x]).unwrap();
    assert!(loss[0].item::<f32>().unwrap().is_finite());
    let grads = grads[0].to_vec::<f32>().unwrap();
    assert!(grads[2] != 0.0 && grads[3] != 0.0, "{grads:?}");
    assert_eq!([grads[0], grads[1], grads[4], grads[5]], [0.0; 4]);
}

#[test]
fn a_target_outside_the_vocabulary_is_nan_in_its_row() {
    let (x, w) = (noise(&[3, 4], 1), noise(&[5, 4], 2));
    let t = Array::from_slice(&[1i32, 5, -1], &[3]).unwrap();
    let weights = ops::ones(&[3], Dtype::Float32).unwrap();
    let losses = move |x: &[Array]| -> Result<Vec<Array>> {
        Ok(vec![fused::linear_cross_entropy(
            &x[0], &w, &t, &weights, true,
        )?])
    };
    let values = losses(std::slice::from_ref(&x)).unwrap()[0]
        .to_vec::<f32>()
        .unwrap();
    assert!(values[0].is_finite() && values[1].is_nan() && values[2].is_nan());
    let sum = move |x: &[Array]| Ok(vec![ops::sum(&losses(x)?[0], &[], false)?]);
    let grads = value_and_grad(sum, &[0]).call(&[x]).unwrap().1[0]
        .to_vec::<f32>()
        .unwrap();
    assert!(grads[..4].iter().all(|g| g.is_finite()));
    assert!(grads[4..].iter().all(|g| g.is_nan()));
}

#[test]
fn half_types_beside_float32_are_promoted() {
    let half = |a: &Array| ops::astype(a, Dtype::Bfloat16).unwrap();
    let full = |a: &Array| ops::astype(a, Dtype::Float32).unwrap();
    let (x, w) = (noise(&[2, 3, 8], 1), half(&noise(&[8], 2)));
    let got = fused::rms_norm(&x, &w, 1e-5, false).unwrap();
    assert_close(
        &got,
        &fused::rms_norm(&x, &full(&w), 1e-5, false).unwrap(),
        "norm",
    );
    let w = half(&noise(&[5, 8], 3));
    let weights = half(&ops::ones(&[2, 3], Dtype::Float32).unwrap());
    let t = ops::reshape(&targets(6, 5), &[2, 3]).unwrap();
    let got = fused::linear_cross_entropy(&x, &w, &t, &weights, false).unwrap();
    let expected = composed_cross_entropy(&x, &full(&w), &t, &full(&weights)).unwrap();
    assert_close(&got, &expected, "cross entropy of rows with two axes");
}

#[test]
fn nan_stays_nan() {
    let n = 20;
    let mut values = noise(&[n], 1).to_vec::<f32>().unwrap();
    values[3] = f32::NAN;
    let bad = Array::from_slice(&values, &[1, 1, n]).unwrap();
    let good = noise(&[1, 1, n], 2);
    let any_nan = |a: Array| a.to_vec::<f32>().unwrap().iter().any(|x| x.is_nan());
    let flat = ops::reshape(&bad, &[1, n]).unwrap();
    let freqs = noise(&[n / 2], 3);
    assert!(any_nan(
        fused::rms_norm(&bad, &noise(&[n], 4), 1e-5, false).unwrap()
    ));
    assert!(any_nan(fused::swiglu(&bad, &good).unwrap()));
    for (q, k) in [(&bad, &good), (&good, &bad)] {
        assert!(any_nan(
            fused::rope_attention(q, k, &good, &freqs, n, true, 1.0, 0).unwrap()
        ));
    }
    let one = ops::ones(&[1], Dtype::Float32).unwrap();
    let w = noise(&[30, n], 5);
    let loss = fused::linear_cross_entropy(&flat, &w, &targets(1, 30), &one, false);
    assert!(any_nan(loss.unwrap()));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let f = |shape: &[i32]| ops::zeros(shape, Dtype::Float32).unwrap();
    let half = |shape: &[i32]| ops::zeros(shape, Dtype::Bfloat16).unwrap();
    let kind = |r: Result<Array>| r.unwrap_err().kind();
    let attention = |q: &[i32], k: &[i32], v: &[i32], freqs: &[i32], d| {
        kind(fused::rope_attention(
            &f(q),
            &f(k),
            &f(v),
            &f(freqs),
            d,
            true,
            1.0,
            0,
        ))
    };
    let entropy = |x: &[i32], w: &[i32], t: Array, weights: &[i32]| {
        kind(fused::linear_cross_entropy(
            &f(x),
            &f(w),
            &t,
            &f(weights),
            true,
        ))
    };
    assert!(!fused::available(&half(&[2])));
    assert_eq!(
        kind(fused::rms_norm(&f(&[2, 3]), &f(&[4]), 1e-5, false)),
        ErrorKind::Shape
    );
    assert_eq!(
        kind(fused::rms_norm(&f(&[]), &f(&[1]), 1e-5, false)),
        ErrorKind::Shape
    );
    assert!(fused::add_rms_norm(&f(&[2, 3]), &f(&[1, 3]), &f(&[3]), 1e-5, false).is_err());
    assert_eq!(
        kind(fused::swiglu(&f(&[2, 3]), &f(&[3])),),
        ErrorKind::Shape
    );

    let shape = ErrorKind::Shape;
    assert_eq!(
        attention(&[1, 2, 8], &[1, 3, 8], &[1, 3, 8], &[2], 4),
        shape
    );
    assert_eq!(
        attention(&[1, 2, 8], &[1, 2, 8], &[1, 2, 4], &[2], 4),
        shape
    );
    assert_eq!(
        attention(&[1, 2, 8], &[1, 2, 8], &[1, 2, 8], &[4], 4),
        shape
    );
    assert_eq!(attention(&[2, 8], &[2, 8], &[2, 8], &[2], 4), shape);
    assert_eq!(
        attention(&[1, 2, 6], &[1, 2, 6], &[1, 2, 6], &[2], 4),
        shape
    );
    attention(&[1, 2, 4], &[1, 2, 8], &[1, 2, 8], &[2], 4);
    attention(&[1, 2, 6], &[1, 2, 6], &[1, 2, 6], &[1], 3);
    attention(&[1, 2, 6], &[1, 2, 6], &[1, 2, 6], &[1], 0);

    assert_eq!(entropy(&[3, 4], &[5, 6], targets(3, 5), &[3]), shape);
    assert_eq!(entropy(&[3, 4], &[5, 4], targets(2, 5), &[3]), shape);
    assert_eq!(entropy(&[3, 4], &[5, 4], targets(3, 5), &[1]), shape);
    assert_eq!(entropy(&[0, 4], &[5, 4], targets(0, 5), &[0]), shape);
    entropy(&[1, 3, 4], &[5, 4], targets(3, 5), &[3]);
    entropy(&[4], &[4], targets(1, 5), &[]);
    entropy(&[3, 4], &[5, 4], f(&[3]), &[3]);
    let wide = Array::from_slice(&[1i64 << 32; 3], &[3]).unwrap();
    assert_eq!(entropy(&[3, 4], &[5, 4], wide, &[3]), ErrorKind::Dtype);
}

#[test]
fn constants_have_no_gradient() {
    let inputs = [noise(&[2, 3], 1), noise(&[5, 3], 2)];
    for (argnum, with_grad) in [(0, false), (1, true)] {
        let loss = move |x: &[Array]| {
            let weights = ops::ones(&[2], Dtype::Float32)?;
            let y = fused::linear_cross_entropy(&x[0], &x[1], &targets(2, 5), &weights, with_grad)?;
            Ok(vec![ops::sum(&y, &[], false)?])
        };
        let error = value_and_grad(loss, &[argnum]).call(&inputs).unwrap_err();
        assert!(error.to_string().contains("gradient"), "{error}");
    }
}

#[test]
fn the_numbers_on_every_level() {
    let all = [
        "norm",
        "glu",
        "rope_attention",
        "entropy",
        "losses",
        "products",
    ];
    levels::again(&all, 9);
}

/// In a child process, because the variables are read once.
#[test]
fn a_wrong_variable_is_an_error_that_lists_the_right_values() {
    let name = "a_wrong_variable_is_an_error_that_lists_the_right_values";
    let row = noise(&[1, 8], 1);
    if std::env::var_os("TEST_CHILD").is_some() {
        println!("{}", fused::swiglu(&row, &row).unwrap_err());
        return;
    }
    let levels = mlx_runtime::cpu::levels();
    for (variable, value, expected) in [
        ("MLX_SYS_CPU_LEVEL", "avx2", levels[levels.len() - 1]),
        ("MLX_SYS_CPU_LEVEL", "", "this processor runs default"),
        ("MLX_SYS_CPU_THREADS", "0", "expected a number from 1 to 64"),
        (
            "MLX_SYS_CPU_THREADS",
            "2.5",
            "expected a number from 1 to 64",
        ),
    ] {
        if variable.ends_with("THREADS") && !mlx_runtime::cpu::blas().starts_with("OpenBLAS") {
            continue;
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env("TEST_CHILD", "1")
            .env(variable, value)
            .output()
            .unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let wrong = format!("invalid {variable} \"{value}\": ");
        assert!(output.status.success(), "{variable}={value}: {out}");
        assert!(
            out.contains(&wrong) && out.contains(expected),
            "{variable}={value}: {out}"
        );
    }
}
