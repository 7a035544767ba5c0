//! Cases of operations over dtypes, ranks and broadcasts, against MLX's Python.
//!
//! `data/parity.safetensors` was written by `data/dump_parity.py`; its metadata name the cases, and
//! `parity/` says how each operation is called.

mod parity {
    pub mod call;
    pub mod case;
    pub mod more;
}

use std::collections::BTreeSet;
use std::path::Path;

use mlx_runtime::{io, ops, Array, Complex32, Dtype};
use parity::{call::call, case::Case};

fn tolerance(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Float16 => 2e-3,
        Dtype::Bfloat16 => 1e-2,
        Dtype::Float32 | Dtype::Complex64 => 1e-5,
        _ => 0.0,
    }
}

/// The elements as pairs: real and imaginary parts.
fn values(a: &Array) -> Result<Vec<[f64; 2]>, String> {
    let read = || {
        if a.dtype() == Dtype::Complex64 {
            let all = a.to_vec::<Complex32>()?;
            return Ok(all
                .iter()
                .map(|c| [f64::from(c.re), f64::from(c.im)])
                .collect());
        }
        let all = ops::astype(a, Dtype::Float64)?.to_vec::<f64>()?;
        Ok(all.iter().map(|v| [*v, 0.0]).collect())
    };
    read().map_err(|e: mlx_runtime::Error| e.to_string())
}

fn same(got: &Array, expected: &Array) -> Result<(), String> {
    if (got.shape(), got.dtype()) != (expected.shape(), expected.dtype()) {
        return Err(format!("{got:?} instead of {expected:?}"));
    }
    let allowed = tolerance(got.dtype());
    for (g, e) in values(got)?.into_iter().zip(values(expected)?) {
        for (g, e) in g.into_iter().zip(e) {
            let equal =
                g == e || g.is_nan() && e.is_nan() || (g - e).abs() <= allowed * (1.0 + e.abs());
            if !equal {
                return Err(format!("{g} instead of {e}"));
            }
        }
    }
    Ok(())
}

#[test]
fn every_case_agrees_with_mlx() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity.safetensors");
    let (arrays, metadata) = io::load_safetensors(path).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&metadata["cases"]).unwrap();
    let mut wrong = Vec::new();
    let mut operations = BTreeSet::new();
    for (number, case) in cases.iter().enumerate() {
        operations.insert(case.op.as_str());
        let inputs: Vec<Array> = case
            .inputs
            .iter()
            .map(|n| arrays[&format!("in/{n}")].clone())
            .collect();
        let got = match call(case, &inputs) {
            Ok(got) if got.len() == case.outputs => got,
            Ok(got) => {
                wrong.push(format!("{number} {}: {} outputs", case.op, got.len()));
                continue;
            }
            Err(e) => {
                wrong.push(format!("{number} {} {:?}: {e}", case.op, case.inputs));
                continue;
            }
        };
        for (i, got) in got.iter().enumerate() {
            if let Err(why) = same(got, &arrays[&format!("{number}/{i}")]) {
                wrong.push(format!("{number} {} {:?}/{i}: {why}", case.op, case.inputs));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert!(
        cases.len() >= 700 && operations.len() >= 280,
        "{} {}",
        cases.len(),
        operations.len()
    );
}
