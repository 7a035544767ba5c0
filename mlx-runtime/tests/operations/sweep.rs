//! Fixed cases: each operation x layout x sizes x transform.

use std::collections::{BTreeMap, BTreeSet};

use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::transforms::{compile_mode, CompileMode};

use crate::check::{Call, Check, CHECKS};
use crate::generate::Sizes;
use crate::layout;
use crate::table::Kind;
use crate::{children, operations};

/// Draws of options for each layout.
const SEEDS: u64 = 3;

/// Operations that a transform may refuse, because MLX has no rule; docs/correctness.md lists them.
#[rustfmt::skip]
const REFUSED: &[(&str, &[&str])] = &[
    ("jvp", &[
        "block_masked_mm", "cholesky", "cholesky_inv", "complex_cumprod", "complex_logaddexp", "cummax", "cummin", "cumprod", "det", "eig", "eigh", "eigvals",
        "eigvalsh", "gather_mm", "gather_qmm", "gather_qqmm", "inv", "logcumsumexp", "lu", "lu_factor",
        "multivariate_normal", "norm", "norm_matrix", "pack", "pinv", "qqmm", "qr", "quantize", "scatter_max", "scatter_max_single",
        "scatter_min", "scatter_min_single", "scatter_prod", "scatter_prod_single", "segmented_mm", "slice_update_max",
        "slice_update_min", "slice_update_prod", "slogdet", "solve", "solve_triangular", "svd", "tri_inv",
    ]),
    ("vjp", &[
        "cholesky", "cholesky_inv", "complex_logaddexp", "conv_general", "det", "eig", "eigh", "eigvals", "eigvalsh", "gather_qqmm", "inv", "lu",
        "lu_factor", "multivariate_normal", "norm", "norm_matrix", "pack", "pinv", "qqmm", "qr", "quantize", "scatter_prod",
        "scatter_prod_single", "segmented_mm", "slogdet", "solve", "solve_triangular", "svd", "tri_inv",
    ]),
    ("vmap", &[
        "addmm", "as_strided", "block_masked_mm", "categorical", "categorical_num_samples", "categorical_shape", "conv3d", "conv_general", "conv_transpose3d",
        "det", "from_fp8", "gather_mm", "gather_qmm", "gather_qqmm", "lu", "lu_factor", "pack", "packed_matmul", "qqmm",
        "qr", "quantize", "quantized_matmul", "searchsorted", "segmented_mm", "slice_dynamic", "slice_update_dynamic",
        "slogdet", "solve", "solve_triangular", "to_fp8",
    ]),
    ("vmap of vjp", &[
        "block_masked_mm", "conv1d", "conv2d", "conv3d", "conv_general", "conv_transpose1d", "conv_transpose2d",
        "conv_transpose3d", "gather_mm", "gather_qmm", "slice_dynamic", "slice_update_dynamic",
    ]),
];

const SIZES: [Sizes; 3] = [Sizes::Plain, Sizes::Some(1), Sizes::Some(0)];

const PER_OPERATION: u64 = (layout::ALL.len() * SIZES.len() * CHECKS.len()) as u64 * SEEDS;

/// The call with this number, and the comparison.
fn call(n: u64) -> (Call, Check) {
    let (row, mut rest) = ((n / PER_OPERATION) as usize, n % PER_OPERATION);
    let mut digit = |base: usize| {
        let d = rest % base as u64;
        rest /= base as u64;
        d as usize
    };
    let check = CHECKS[digit(CHECKS.len())];
    let draw = digit(SEEDS as usize) as u64;
    let sizes = SIZES[digit(SIZES.len())];
    let layout = layout::ALL[digit(layout::ALL.len())];
    let operation = &operations()[row];
    // Not of the row's number, so that a new row leaves the draws of the others as they are.
    let bytes = operation.name.bytes().chain(operation.inputs.bytes());
    let seed = bytes.fold(0xcbf2_9ce4_8422_2325 ^ draw, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    });
    (
        Call::new(operation, None, layout, sizes, seed, false),
        check,
    )
}

fn case(n: u64) -> Vec<String> {
    let (call, check) = call(n);
    let report = call.check(check);
    let mut told = Vec::new();
    if report.called {
        told.push(format!(
            "called {} {}",
            call.operation.name, call.operation.inputs
        ));
    }
    told.extend(
        report
            .refused
            .iter()
            .map(|t| format!("refused {t}: {}", call.operation.name)),
    );
    told.extend(report.refusals.iter().map(|t| format!("refusal {t}")));
    told.extend(report.wrong.iter().map(|w| format!("wrong: {w}")));
    told
}

#[test]
fn every_operation_in_every_layout() {
    // Only a CPU computes in float64.
    set_default_device(Device::cpu()).unwrap();
    // Each fused kernel would be a run of the C++ compiler.
    compile_mode(CompileMode::NoFuse).unwrap();
    let count = operations().len() as u64 * PER_OPERATION;
    let told = children::run("sweep::every_operation_in_every_layout", 0..count, case);
    let mut wrong: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut refused: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut called = BTreeSet::new();
    let mut refusals = BTreeMap::new();
    for (n, line) in &told {
        if let Some(which) = line.strip_prefix("called ") {
            called.insert(which);
        } else if let Some(text) = line.strip_prefix("refusal ") {
            refusals.entry(text).or_insert(*n);
        } else if let Some((transform, name)) = line
            .strip_prefix("refused ")
            .and_then(|l| l.split_once(": "))
        {
            refused.entry(transform).or_default().insert(name);
        } else {
            let (call, check) = call(*n);
            let key = format!(
                "{} {} {check:?}",
                call.operation.name, call.operation.inputs
            );
            let text = format!("case {n} {:?} {:?}: {line}", call.layout, call.shapes());
            wrong.entry(key).or_insert((0, text)).0 += 1;
        }
    }
    println!("{count} cases");
    for (transform, operations) in &refused {
        let known = REFUSED.iter().find(|(name, _)| name == transform);
        let known = known.map_or(&[][..], |(_, names)| names);
        let unknown: Vec<_> = operations
            .iter()
            .filter(|name| !known.contains(name))
            .collect();
        if !unknown.is_empty() {
            println!("{transform}: {refusals:?}");
        }
        assert!(unknown.is_empty(), "{transform} refuses {unknown:?}");
    }
    let texts: Vec<String> = wrong
        .iter()
        .map(|(k, (n, t))| format!("{k} ({n} times): {t}"))
        .collect();
    assert!(
        texts.is_empty(),
        "{} wrong:\n{}",
        texts.len(),
        texts.join("\n")
    );
    // Operations of kind `Called` draw options that often do not fit; they are there for the random calls.
    for operation in operations().iter().filter(|o| o.kind != Kind::Called) {
        let which = format!("{} {}", operation.name, operation.inputs);
        assert!(called.contains(&which[..]), "never called: {which}");
    }
}
