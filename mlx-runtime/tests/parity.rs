//! Cases of operations over dtypes, ranks and broadcasts, against MLX's Python.
//!
//! `data/parity.safetensors` was written by `data/dump_parity.py`; its metadata name the cases, and
//! `parity/` says how each operation is called. On a GPU the cases for which MLX has nothing there run
//! on the CPU.

mod parity {
    pub mod call;
    pub mod case;
    pub mod more;
}

use std::collections::BTreeSet;
use std::path::Path;

use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::ops::packed::Quantization;
use mlx_runtime::stream::{self, Stream};
use mlx_runtime::{io, ops, transforms, Array, Complex32, Dtype, Error};
use parity::{call::call, case::Case};

fn on_gpu() -> bool {
    default_device().unwrap().kind() == DeviceType::Gpu
}

fn tolerance(dtype: Dtype) -> f64 {
    match dtype {
        // The dump is of MLX's CPU.
        Dtype::Float32 | Dtype::Complex64 if on_gpu() => 1e-3,
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
        // A GPU has no float64.
        let all = stream::with(&Stream::default_cpu()?, || {
            ops::astype(a, Dtype::Float64)?.to_vec::<f64>()
        })?;
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

/// The words of packed floats on a GPU, with every zero a positive one: a GPU gives numbers that round to zero the sign
/// of the number.
fn unsigned(case: &Case, a: &Array) -> Array {
    if !(on_gpu() && case.op == "pack" && a.dtype() == Dtype::Uint32) {
        return a.clone();
    }
    let (bits, mask) = match case.mode() {
        Quantization::Mxfp4 | Quantization::Nvfp4 => (4, 0xf),
        Quantization::Mxfp8 => (8, 0xff),
        _ => return a.clone(),
    };
    let positive = |word: u32| {
        let places = (0..32).step_by(bits);
        let zeros = places.filter(|at| word >> at & mask == 1 << (bits - 1));
        zeros.fold(word, |word, at| word & !(mask << at))
    };
    let words: Vec<u32> = a.to_vec().unwrap().into_iter().map(positive).collect();
    Array::from_slice(&words, a.shape()).unwrap()
}

/// Returns true if MLX says that the GPU cannot do it.
fn needs_the_cpu(e: &Error) -> bool {
    let text = e.to_string();
    let words = [
        "not yet supported on the GPU",
        "not supported on the GPU",
        "has no CUDA implementation",
        "has no GPU implementation",
        "Can not do",
        "Unsupported dtype in CublasGemm",
        "No implementation for",
    ];
    words.iter().any(|w| text.contains(w))
}

/// The outputs of a case, evaluated, and true if the CPU had to compute them for a GPU.
fn run(case: &Case, inputs: &[Array]) -> mlx_runtime::Result<(Vec<Array>, bool)> {
    let made = || {
        let made = call(case, inputs)?;
        transforms::eval(&made.iter().collect::<Vec<_>>())?;
        Ok(made)
    };
    match made() {
        Err(e) if on_gpu() && needs_the_cpu(&e) => {
            Ok((stream::with(&Stream::default_cpu()?, made)?, true))
        }
        other => Ok((other?, false)),
    }
}

#[test]
fn every_case_agrees_with_mlx() {
    // At run time first: the test may run on another machine than the one that built it.
    let package = std::env::var("CARGO_MANIFEST_DIR");
    let package = package.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"));
    let path = Path::new(package).join("tests/data/parity.safetensors");
    let (arrays, metadata) = io::load_safetensors(path).unwrap();
    println!("computed on {}", default_device().unwrap());
    let cases: Vec<Case> = serde_json::from_str(&metadata["cases"]).unwrap();
    let mut wrong = Vec::new();
    let (mut operations, mut on_cpu) = (BTreeSet::new(), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        operations.insert(case.op.as_str());
        let inputs: Vec<Array> = case
            .inputs
            .iter()
            .map(|n| arrays[&format!("in/{n}")].clone())
            .collect();
        let got = match run(case, &inputs) {
            Ok((got, elsewhere)) if got.len() == case.outputs => {
                on_cpu.extend(elsewhere.then_some(case.op.as_str()));
                got
            }
            Ok((got, _)) => {
                wrong.push(format!("{number} {}: {} outputs", case.op, got.len()));
                continue;
            }
            Err(e) => {
                wrong.push(format!("{number} {} {:?}: {e}", case.op, case.inputs));
                continue;
            }
        };
        for (i, got) in got.iter().enumerate() {
            let expected = &arrays[&format!("{number}/{i}")];
            let (got, expected) = (unsigned(case, got), unsigned(case, expected));
            if let Err(why) = same(&got, &expected) {
                wrong.push(format!("{number} {} {:?}/{i}: {why}", case.op, case.inputs));
            }
        }
    }
    if !on_cpu.is_empty() {
        let n = on_cpu.len();
        on_cpu.dedup();
        println!("on a GPU, {n} cases ran on the CPU: {}", on_cpu.join(" "));
        // Decompositions and solvers, a few cases each.
        assert!(n <= 60, "{n} of {} cases on the CPU", cases.len());
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
