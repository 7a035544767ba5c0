//! Compares a kernel with MLX's operations.

use mlx_runtime::{kernels, ops, transforms, Array, Dtype, Result};

/// Random numbers of a normal distribution, the same ones at every run.
pub fn normal(shape: &[i32], seed: u64, dtype: Dtype) -> Array {
    let key = mlx_runtime::random::Key::new(seed).unwrap();
    let x = mlx_runtime::random::normal(shape, Dtype::Float32, 0.0, 1.0, Some(&key)).unwrap();
    let x = ops::astype(&x, dtype).unwrap();
    x.eval().unwrap();
    x
}

/// Elements as float32.
pub fn numbers(x: &Array) -> Vec<f32> {
    ops::astype(x, Dtype::Float32)
        .unwrap()
        .to_vec::<f32>()
        .unwrap()
}

/// The largest difference of two arrays, relative to the largest element or 0.1; infinite if one has a NaN or an infinity where
/// the other has not the same.
pub fn apart(a: &Array, b: &Array) -> f32 {
    assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()));
    let (a, b) = (numbers(a), numbers(b));
    let finite = |x: &&f32| x.is_finite();
    let largest = b.iter().filter(finite).fold(0.1f32, |m, x| m.max(x.abs()));
    let mut most = 0f32;
    for (x, y) in a.iter().zip(&b) {
        let alike = x == y || x.is_nan() && y.is_nan();
        most = match alike {
            true => most,
            false if x.is_finite() && y.is_finite() => most.max((x - y).abs() / largest),
            false => f32::INFINITY,
        };
    }
    most
}

/// The values of `f`, and the gradients of a fixed combination of them by every float input.
pub fn both<F>(f: F, x: &[Array]) -> Result<(Vec<Array>, Vec<Array>)>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static,
{
    let values = f(x)?;
    let cotangents: Vec<Array> = values
        .iter()
        .enumerate()
        .map(|(i, y)| normal(y.shape(), 900 + i as u64, y.dtype()))
        .collect();
    let (_, grads) = transforms::vjp(f, x, &cotangents)?;
    let all: Vec<&Array> = values.iter().chain(&grads).collect();
    transforms::eval(&all)?;
    Ok((values, grads))
}

/// Where a kernel differs from its composed form: values by more than `value`, gradients by more than `grad`.
pub fn differences<F>(name: &str, f: F, x: &[Array], value: f32, grad: f32) -> Vec<String>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static,
{
    let (values, grads) = both(f.clone(), x).unwrap();
    let (want, want_grads) = kernels::without(|| both(f, x)).unwrap();
    let mut found = Vec::new();
    let mut compare = |what: &str, a: &[Array], b: &[Array], most: f32| {
        assert_eq!(a.len(), b.len(), "{name}");
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            let by = apart(a, b);
            if by > most {
                found.push(format!("{name}: {what} {i} differs by {by}"));
            }
        }
    };
    compare("value", &values, &want, value);
    compare("gradient", &grads, &want_grads, grad);
    found
}
