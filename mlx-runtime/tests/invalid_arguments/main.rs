//! No argument ends the process: every operation with every kind of array, and with axes, counts and shapes that make
//! no sense, gives an array that can be evaluated or an error.
//!
//! With INVALID_TRACE set, each case is printed before it runs, so that one that ends the process is known; the numbers
//! in INVALID_SKIP are left out.

use std::sync::atomic::{AtomicUsize, Ordering};

use mlx_runtime::{ops, Array, Dtype, Result};

mod collectives;
mod decompositions;
mod gathers;
mod operations;
mod options;
mod packed;

/// Arrays of every rank and awkward sizes.
fn arrays() -> Vec<Array> {
    let zeros = |shape: &[i32], dtype| ops::zeros(shape, dtype).unwrap();
    let count = ops::arange(0.0, 24.0, 1.0, Dtype::Float32).unwrap();
    vec![
        Array::scalar(2.5f32).unwrap(),
        Array::scalar(-1i32).unwrap(),
        zeros(&[0], Dtype::Float32),
        zeros(&[0, 3], Dtype::Bfloat16),
        zeros(&[2, 0, 3], Dtype::Int32),
        zeros(&[3, 0, 0], Dtype::Float32),
        zeros(&[3, 3], Dtype::Float32),
        zeros(&[1], Dtype::Bool),
        Array::from_slice(&[-9i32, 100], &[2]).unwrap(),
        Array::from_slice(&[f32::NAN, f32::INFINITY, 1.0, -1.0], &[2, 2]).unwrap(),
        zeros(&[2, 3], Dtype::Uint32),
        ops::reshape(&count, &[2, 3, 4]).unwrap(),
        ops::transpose(&ops::reshape(&count, &[4, 6]).unwrap(), &[]).unwrap(),
        ops::astype(&count, Dtype::Int64).unwrap(),
        ops::astype(&count, Dtype::Complex64).unwrap(),
    ]
}

const INTS: [i32; 9] = [i32::MIN, -100, -2, -1, 0, 1, 2, 100, i32::MAX];

fn lists() -> Vec<Vec<i32>> {
    let more = [
        vec![],
        vec![0, 0],
        vec![0, 1],
        vec![-1, 1, 0],
        vec![1, 2, 3],
        vec![1; 20],
    ];
    INTS.iter().map(|&i| vec![i]).chain(more).collect()
}

/// Evaluates the array of `result`, unless it is too large: that is fine as a graph.
fn run(what: &str, result: impl FnOnce() -> Result<Array>) {
    run_all(what, || Ok(vec![result()?]));
}

fn run_two(what: &str, result: impl FnOnce() -> Result<(Array, Array)>) {
    run_all(what, || result().map(|(a, b)| vec![a, b]));
}

fn run_all(what: &str, result: impl FnOnce() -> Result<Vec<Array>>) {
    if !begin(what) {
        return;
    }
    for a in result().unwrap_or_default().into_iter().take(8) {
        if a.nbytes() < 1 << 24 {
            let _ = a.eval();
        }
    }
}

/// False if the case is left out.
fn begin(what: &str) -> bool {
    static CASE: AtomicUsize = AtomicUsize::new(0);
    let case = CASE.fetch_add(1, Ordering::Relaxed);
    if std::env::var_os("INVALID_TRACE").is_none() {
        return true;
    }
    eprintln!("case {case}: {what}");
    let skip = std::env::var("INVALID_SKIP").unwrap_or_default();
    !skip.split(',').any(|s| s == case.to_string())
}
