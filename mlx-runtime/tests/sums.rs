//! Long sums on the CPU, beside the same sums in float64: MLX counts in one accumulator of the array's dtype.

use std::slice::from_ref;

use mlx_runtime::{device, ops, optim, transforms, Array, Dtype, Result};

/// The error bound of a sum in `mlx_rs_sums.h`, relative to the sum of the terms' magnitudes.
const SUM: f64 = 20.0 / (1 << 24) as f64;

/// Numbers of one sign, in which the errors of an accumulator add up.
fn numbers(n: usize) -> Vec<f32> {
    let noise = |i: usize| ((i * 7919) % 1009) as f32 / 1009.0;
    (0..n).map(|i| 0.1 + noise(i) / 64.0).collect()
}

/// The array in a dtype, and its values as they are then.
fn arrays(values: &[f32], shape: &[i32]) -> Vec<(Array, Vec<f64>, f64)> {
    let all = Array::from_slice(values, shape).unwrap();
    // A dtype, and the size of its last bit.
    [
        (Dtype::Float32, 2f64.powi(-24)),
        (Dtype::Float16, 2f64.powi(-11)),
        (Dtype::Bfloat16, 2f64.powi(-8)),
    ]
    .into_iter()
    .map(|(dtype, last)| {
        let a = ops::astype(&all, dtype).unwrap();
        let back = ops::astype(&a, Dtype::Float32).unwrap();
        let values = back.to_vec::<f32>().unwrap();
        a.eval().unwrap();
        (a, values.into_iter().map(f64::from).collect(), last)
    })
    .collect()
}

fn float32(a: &Array) -> Vec<f64> {
    let a = ops::astype(a, Dtype::Float32).unwrap();
    let values = a.to_vec::<f32>().unwrap();
    values.into_iter().map(f64::from).collect()
}

#[track_caller]
fn near(what: &str, got: f64, expected: f64, relative: f64) {
    let error = (got - expected).abs() / expected.abs();
    assert!(
        error <= relative,
        "{what}: {got} is not {expected}, by {error:e}"
    );
}

/// Sums over rows, columns, both, and a middle axis, of memory in several orders.
#[test]
fn sums_and_means_of_every_layout() {
    on_cpu();
    for (rows, columns) in [(3, 49_152), (20_011, 5), (70, 257), (1, 300_001), (65, 1)] {
        let n = rows * columns;
        for (a, values, last) in arrays(&numbers(n), &[rows as i32, columns as i32]) {
            let exact = |axis: usize, at: usize| -> f64 {
                let (count, step, from) = [(rows, columns, at), (columns, 1, at * columns)][axis];
                (0..count).map(|i| values[from + i * step]).sum()
            };
            let bound = SUM + last;
            let layouts = [
                ("dense", a.clone(), false),
                ("transposed", ops::transpose(&a, &[1, 0]).unwrap(), true),
                ("strided", strided(&a), false),
            ];
            for (layout, a, turned) in layouts {
                let what = format!("{:?} {rows} x {columns} {layout}", a.dtype());
                for axis in 0..2 {
                    let along = [i32::from(turned) ^ axis];
                    let sums = float32(&ops::sum(&a, &along, false).unwrap());
                    let means = float32(&ops::mean(&a, &along, false).unwrap());
                    for (at, (sum, mean)) in sums.iter().zip(&means).enumerate() {
                        let expected = exact(axis as usize, at);
                        near(&what, *sum, expected, bound);
                        let count = [rows, columns][axis as usize] as f64;
                        // The divisor and the product are rounded, too.
                        near(&what, *mean, expected / count, bound + 4.0 * last);
                    }
                }
                let all = values.iter().sum::<f64>();
                if all < 60_000.0 {
                    near(
                        &what,
                        float32(&ops::sum(&a, &[], false).unwrap())[0],
                        all,
                        bound,
                    );
                }
            }
            let cube = ops::reshape(&a, &[rows as i32, 1, columns as i32]).unwrap();
            let sums = float32(&ops::sum(&cube, &[0, 1], false).unwrap());
            near("cube", sums[columns - 1], exact(0, columns - 1), bound);
        }
    }
}

/// The same numbers with holes between them.
fn strided(a: &Array) -> Array {
    let wide = ops::stack(&[a, a], 2).unwrap();
    wide.eval().unwrap();
    let (rows, columns) = (a.shape()[0], a.shape()[1]);
    let one = ops::slice(&wide, &[0, 0, 1], &[rows, columns, 2], &[1, 1, 1]).unwrap();
    ops::squeeze(&one, &[2]).unwrap()
}

fn on_cpu() {
    device::set_default_device(device::Device::cpu()).unwrap();
}

/// Sizes of vocabularies.
const CLASSES: [usize; 5] = [129, 32_000, 49_152, 50_257, 151_936];

#[test]
fn logsumexp_and_softmax_over_vocabularies() {
    on_cpu();
    for n in CLASSES {
        let logits: Vec<f32> = numbers(2 * n).iter().map(|x| 30.0 * x).collect();
        for (a, values, last) in arrays(&logits, &[2, n as i32]) {
            let turned = ops::contiguous(&ops::transpose(&a, &[1, 0]).unwrap(), false).unwrap();
            let back = ops::transpose(&turned, &[1, 0]).unwrap();
            for (layout, a) in [("dense", a), ("by columns", back)] {
                let what = format!("{:?} {n} {layout}", a.dtype());
                let total =
                    |row: usize| -> f64 { values[row * n..][..n].iter().map(|x| x.exp()).sum() };
                let lse = float32(&ops::logsumexp(&a, &[-1], false).unwrap());
                let p = float32(&ops::softmax(&a, &[-1], false).unwrap());
                for row in 0..2 {
                    // The error of the sum becomes an error of its logarithm, and rounding is relative to the
                    // logarithm.
                    let expected = total(row).ln();
                    near(&what, lse[row], expected, (SUM + 2e-7) / expected + last);
                    for i in [0, n / 2, n - 1] {
                        let expected = values[row * n + i].exp() / total(row);
                        // Below 6e-5 a float16 has fewer digits.
                        let few = [0.0, 2f64.powi(-24) / expected]
                            [usize::from(a.dtype() == Dtype::Float16)];
                        near(&what, p[row * n + i], expected, SUM + 4e-6 + last + few);
                    }
                }
            }
        }
    }
    let masked = Array::from_slice(&[f32::NEG_INFINITY, 1.0, 1.0], &[3]).unwrap();
    assert_eq!(
        ops::softmax(&masked, &[0], false)
            .unwrap()
            .to_vec::<f32>()
            .unwrap(),
        [0.0, 0.5, 0.5]
    );
    for (row, is) in [
        ([f32::INFINITY, 1.0], f32::INFINITY),
        ([f32::NEG_INFINITY; 2], f32::NEG_INFINITY),
        ([f32::NAN, 1.0], f32::NAN),
        ([f32::INFINITY, f32::NAN], f32::NAN),
        ([f32::NEG_INFINITY, f32::NAN], f32::NAN),
    ] {
        let a = Array::from_slice(&row, &[2]).unwrap();
        let got = ops::logsumexp(&a, &[0], false)
            .unwrap()
            .item::<f32>()
            .unwrap();
        assert!(got == is || got.is_nan() && is.is_nan(), "{row:?}: {got}");
    }
}

/// Every reduction of a loss over many equal elements, and the norm of gradients.
#[test]
fn losses_of_large_batches_and_norms() -> Result<()> {
    on_cpu();
    let n = 3_000_000;
    let value = 0.1f32;
    let a = ops::contiguous(
        &ops::full(&[n], &Array::scalar(value)?, Dtype::Float32)?,
        false,
    )?;
    let zero = ops::zeros(&[n], Dtype::Float32)?;
    let expected = f64::from(value) * f64::from(value);
    let mse = ops::mean(&ops::square(&ops::subtract(&a, &zero)?)?, &[], false)?;
    near("mse", mse.item::<f32>()?.into(), expected, SUM + 3e-7);
    let norm = optim::grad_norm(from_ref(&a))?;
    near(
        "norm",
        norm.item::<f32>()?.into(),
        (expected * f64::from(n)).sqrt(),
        SUM + 3e-7,
    );
    let var = ops::var(
        &ops::concatenate(&[&a, &ops::negative(&a)?], 0)?,
        &[],
        false,
        0,
    )?;
    near("var", var.item::<f32>()?.into(), expected, 2.0 * SUM + 6e-7);
    Ok(())
}

/// The gradient of a loss over a vocabulary.
#[test]
fn gradients_over_a_vocabulary() -> Result<()> {
    on_cpu();
    let classes = 49_152;
    let loss = |z: &[Array]| {
        Ok(vec![ops::subtract(
            &ops::logsumexp(&z[0], &[-1], false)?,
            &ops::sum(&z[0], &[-1], false)?,
        )?])
    };
    let zeros = ops::zeros(&[classes], Dtype::Float32)?;
    let grad = transforms::grad(loss, &[0]).call(&[zeros])?;
    near(
        "gradient",
        f64::from(grad[0].to_vec::<f32>()?[3]) + 1.0,
        1.0 / f64::from(classes),
        5e-3,
    );
    Ok(())
}

/// The gradient of an array that is added to every row is a sum of rows.
#[test]
fn gradients_of_broadcasts_in_half_precision() -> Result<()> {
    on_cpu();
    for dtype in [Dtype::Float16, Dtype::Bfloat16] {
        let rows = ops::zeros(&[5000, 3], dtype)?;
        let loss = move |x: &[Array]| {
            let sums = ops::add(&rows, &x[0])?;
            Ok(vec![ops::sum(
                &ops::astype(&sums, Dtype::Float32)?,
                &[],
                false,
            )?])
        };
        let grad = transforms::grad(loss, &[0]).call(&[ops::zeros(&[3], dtype)?])?;
        let grad = float32(&grad[0]);
        near("bias", grad[2], 5000.0, 2f64.powi(-8));
    }
    Ok(())
}

/// `numpy.mean` and `numpy.var` of these arrays, in dtypes in which their sums or means do not fit.
#[test]
fn means_of_integers_and_half_precision() -> Result<()> {
    on_cpu();
    let most = [4_294_967_295u32; 2];
    let most = ops::mean(&Array::from_slice(&most, &[2])?, &[], false)?;
    near("uint32", most.item::<f32>()?.into(), 4_294_967_295.0, 1e-7);
    let large = Array::from_slice(&[2_147_483_647i32, 2_147_483_645], &[2])?;
    let mean = ops::mean(&large, &[0], true)?;
    near("int32", mean.item::<f32>()?.into(), 2_147_483_646.0, 1e-7);
    let wide = Array::from_slice(&[0i32, 200_000], &[2])?;
    near(
        "var",
        ops::var(&wide, &[], false, 0)?.item::<f32>()?.into(),
        1e10,
        1e-7,
    );
    let high = ops::full(&[3], &Array::scalar(60_000f32)?, Dtype::Float16)?;
    assert_eq!(float32(&ops::mean(&high, &[], false)?), [60_000.0]);
    for dtype in [Dtype::Float16, Dtype::Bfloat16] {
        let same = ops::full(&[3], &Array::scalar(1000f32)?, dtype)?;
        for spread in [
            ops::var(&same, &[], false, 0)?,
            ops::std(&same, &[0], false, 0)?,
        ] {
            assert_eq!((spread.dtype(), float32(&spread)), (dtype, vec![0.0]));
        }
    }
    Ok(())
}

/// The gradient of a row that is taken often, such as the embedding of a frequent token, is a sum of rows.
#[test]
fn gradients_of_gathers_in_half_precision() -> Result<()> {
    on_cpu();
    for dtype in [Dtype::Float16, Dtype::Bfloat16] {
        let often = ops::zeros(&[5000], Dtype::Int32)?;
        let along = ops::zeros(&[5000, 1], Dtype::Int32)?;
        let loss = move |x: &[Array]| {
            let rows = ops::take(&x[0], &often, 0)?;
            let elements = ops::take_along_axis(&x[0], &along, 0)?;
            let wide =
                [rows, elements].map(|a| ops::sum(&ops::astype(&a, Dtype::Float32)?, &[], false));
            let [rows, elements] = wide;
            Ok(vec![ops::add(&rows?, &elements?)?])
        };
        let grad = transforms::grad(loss, &[0]).call(&[ops::zeros(&[2, 1], dtype)?])?;
        assert_eq!(grad[0].dtype(), dtype);
        let grad = float32(&grad[0]);
        near("embedding", grad[0], 10_000.0, 2f64.powi(-7));
        assert_eq!(grad[1], 0.0);
    }
    Ok(())
}

/// Functions that MLX composes and transforms go through the same loops.
#[test]
fn transformed_functions_sum_alike() -> Result<()> {
    on_cpu();
    transforms::compile_mode(transforms::CompileMode::NoFuse)?;
    let f = |x: &[Array]| {
        Ok(vec![
            ops::mean(&x[0], &[-1], false)?,
            ops::logsumexp(&x[0], &[-1], false)?,
        ])
    };
    let rows = ops::astype(
        &Array::from_slice(&numbers(3 * 20_000), &[3, 20_000])?,
        Dtype::Bfloat16,
    )?;
    let plain: Vec<_> = f(from_ref(&rows))?.iter().map(float32).collect();
    let many: Vec<_> = transforms::vmap(f, &[Some(0)], &[0, 0])
        .call(from_ref(&rows))?
        .iter()
        .map(float32)
        .collect();
    let compiled: Vec<_> = transforms::compile(f, true)
        .call(&[rows])?
        .iter()
        .map(float32)
        .collect();
    assert_eq!(plain, many);
    assert_eq!(plain, compiled);
    Ok(())
}
