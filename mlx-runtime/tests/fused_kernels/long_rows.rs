//! Rows of the longest vocabularies against float64: an error that grows with the length of a row would show here.

use mlx_runtime::kernels::cpu as fused;
use mlx_runtime::{ops, Array, Dtype};

use crate::noise;

#[test]
fn norms_of_long_rows_are_near_float64() {
    for n in [257i32, 49_152, 262_151] {
        for (name, x) in [
            ("equal", vec![0.1f32; n as usize]),
            ("noise", noise(&[n], 3).to_vec().unwrap()),
        ] {
            let squares: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
            let by = 1.0 / (squares / f64::from(n) + 1e-5).sqrt();
            let (x, one) = (
                Array::from_slice(&x, &[1, n]).unwrap(),
                ops::ones(&[n], Dtype::Float32).unwrap(),
            );
            let y = fused::rms_norm(&x, &one, 1e-5, true).unwrap();
            let pairs = x
                .to_vec::<f32>()
                .unwrap()
                .into_iter()
                .zip(y.to_vec::<f32>().unwrap());
            for (x, y) in pairs {
                let exact = f64::from(x) * by;
                assert!(
                    (f64::from(y) - exact).abs() <= 1e-6 * exact.abs(),
                    "{n} {name}: {y} is not {exact}"
                );
            }
        }
    }
}

/// The sizes of the largest vocabularies, against float64: the error of a row's loss is the relative error of its sum.
#[test]
fn losses_over_long_vocabularies_are_near_float64() {
    for n in [49_152i32, 151_936, 262_144] {
        let noisy = noise(&[n, 1], 7).to_vec::<f32>().unwrap();
        let one_above = (0..n).map(|i| if i == 0 { 2.3 } else { 0.0 }).collect();
        for z in [noisy, vec![0.1; n as usize], one_above] {
            let sum: f64 = z.iter().map(|z| f64::from(*z).exp()).sum();
            let exact = sum.ln() - f64::from(z[3]);
            let w = Array::from_slice(&z, &[n, 1]).unwrap();
            let x = ops::ones(&[1, 1], Dtype::Float32).unwrap();
            let one = ops::ones(&[1], Dtype::Float32).unwrap();
            let target = Array::from_slice(&[3i32], &[1]).unwrap();
            for grad in [false, true] {
                let loss = fused::linear_cross_entropy(&x, &w, &target, &one, grad).unwrap();
                let loss = f64::from(loss.item::<f32>().unwrap());
                assert!((loss - exact).abs() <= 2e-6, "{n}: {loss} is not {exact}");
            }
        }
    }
}

/// The BLAS blocks its sums, too: a product of rows of n adds at most 640 terms, and then n / 128 such sums at most,
/// whatever kernel it has. One sum of all terms would be off by up to n * 2^-24.
#[test]
fn products_over_long_rows_are_near_float64() {
    for n in [49_152i32, 262_144] {
        for (rows, columns) in [(1, 1), (1, 5), (3, 1), (7, 9)] {
            let a = ops::full(&[rows, n], &Array::scalar(0.1f32).unwrap(), Dtype::Float32).unwrap();
            let b = ops::full(
                &[n, columns],
                &Array::scalar(0.3f32).unwrap(),
                Dtype::Float32,
            )
            .unwrap();
            let exact = f64::from(0.1f32) * f64::from(0.3f32) * f64::from(n);
            for got in ops::matmul(&a, &b).unwrap().to_vec::<f32>().unwrap() {
                let error = (f64::from(got) - exact).abs() / exact;
                let bound = f64::from(640 + n / 128) / f64::from(1 << 24);
                assert!(error < bound, "{rows} x {n} x {columns}: {error:e}");
            }
        }
    }
}
