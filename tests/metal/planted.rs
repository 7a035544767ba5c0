//! Kernels with one fault each: the shim must find every one of them, and nothing in the same kernels without the fault.

use crate::compile::{compile, refusal, Job, Outcome, Program};
use crate::wrap::{Argument, Kernel};

/// Sums rows of 100 numbers. A fault replaces one of its parts.
const BODY: &str = "
threadgroup float parts[4];
const uint thread_index = thread_position_in_threadgroup.x;
const uint row = threadgroup_position_in_grid.x;
float sum = 0.0f;
for (uint c = thread_index; c < 100; c += 128) {
  sum += x[row * 100 + c];
}
sum = simd_sum(sum);
if (thread_index % 32 == 0) {
  parts[thread_index / 32] = sum;
}
threadgroup_barrier(mem_flags::mem_threadgroup);
sum = parts[0] + parts[1] + parts[2] + parts[3];
for (uint c = thread_index; c < 100; c += 128) {
  y[row * 100 + c] = x[row * 100 + c] / sum;
}
";

const BARRIER: &str = "threadgroup_barrier(mem_flags::mem_threadgroup);";

/// A fault: its name, the text that it replaces, by what, and parts of the message, one of which must be in it.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    ("missing_barrier", BARRIER, "", "threadgroup memory"),
    (
        "wrong_barrier",
        BARRIER,
        "threadgroup_barrier(mem_flags::mem_device);",
        "a write and a read of threadgroup memory",
    ),
    (
        "simdgroup_barrier_is_too_little",
        BARRIER,
        "simdgroup_barrier(mem_flags::mem_threadgroup);",
        "threadgroup memory",
    ),
    (
        "barrier_in_a_branch",
        BARRIER,
        "if (thread_index != 5) { threadgroup_barrier(mem_flags::mem_threadgroup); }",
        // Thread 5 goes on, and reads what the others write.
        "without a barrier between|which nothing has written|not all threads reach the barrier",
    ),
    (
        "two_barriers",
        BARRIER,
        "if (thread_index < 64) {
           threadgroup_barrier(mem_flags::mem_threadgroup);
         } else {
           threadgroup_barrier(mem_flags::mem_threadgroup);
         }",
        "different barriers",
    ),
    (
        "early_end",
        BARRIER,
        "if (thread_index > 99) { return; } threadgroup_barrier(mem_flags::mem_threadgroup);",
        "not all threads reach the barrier",
    ),
    (
        "divergent_simd_sum",
        "sum = simd_sum(sum);",
        "if (thread_index < 40) { sum = simd_sum(sum); }",
        "not all threads reach the",
    ),
    (
        "two_simd_sums",
        "sum = simd_sum(sum);",
        "if (thread_index % 2 == 0) { sum = simd_sum(sum); }
         else { sum = simd_sum(sum); }",
        "different calls",
    ),
    (
        "all_lanes_write",
        "if (thread_index % 32 == 0) {",
        "{",
        "two writes of threadgroup memory",
    ),
    (
        "no_write",
        "if (thread_index % 32 == 0) {",
        "if (thread_index == 0) {",
        "which nothing has written",
    ),
    (
        "two_threads_write_an_output",
        "y[row * 100 + c] = x[row * 100 + c] / sum;",
        "y[row * 100 + c / 2] = sum;",
        "two writes of output 0",
    ),
    (
        "two_groups_write_an_output",
        "y[row * 100 + c] =",
        "y[row * 100 + c] = y[c] =",
        "of another group",
    ),
    (
        "reads_what_another_thread_writes",
        "y[row * 100 + c] = x[row * 100 + c] / sum;",
        "y[row * 100 + c] = sum; y[row * 100 + c] = y[row * 100 + (c + 1) % 100];",
        "output 0",
    ),
    (
        "unwritten_output",
        "c < 100; c += 128) {\n  y",
        "c < 99; c += 128) {\n  y",
        "nothing writes output 0 at byte 396",
    ),
    (
        "output_too_far",
        "c < 100; c += 128) {\n  y",
        "c < 101; c += 128) {\n  y",
        "heap-buffer-overflow|of another group",
    ),
    (
        "input_too_far",
        "c < 100; c += 128) {\n  sum",
        "c < 101; c += 128) {\n  sum",
        "heap-buffer-overflow",
    ),
    (
        "input_before_its_start",
        "sum += x[row * 100 + c];",
        "sum += x[int(row * 100 + c) - 1];",
        "heap-buffer-overflow",
    ),
    (
        "far_away",
        "sum += x[row * 100 + c];",
        "sum += x[row * 100 + c + 100000000];",
        "outside all buffers",
    ),
    (
        "threadgroup_memory_too_small",
        "threadgroup float parts[4];",
        "threadgroup float parts[3];",
        "index 3 out of bounds",
    ),
    (
        "own_array_too_small",
        "float sum = 0.0f;",
        "float sum = 0.0f; float own[2]; own[row % 2 + 1] = sum; sum = own[row % 2 + 1];",
        "index 2 out of bounds",
    ),
    (
        "writes_an_input",
        "sum += x[row * 100 + c];",
        "sum += (const_cast<device float*>(x)[c] = 1.0f);",
        "a write to input 0",
    ),
    (
        "overflow",
        "float sum = 0.0f;",
        "float sum = 0.0f; int big = 2147483647; big += int(row) + 1; sum += float(big);",
        "signed integer overflow",
    ),
    (
        "cast_of_a_float_that_is_too_large",
        "float sum = 0.0f;",
        "float sum = 0.0f; float big = 3e9f; sum += float(int(big));",
        "outside the range",
    ),
];

fn kernel(name: &str, body: &str) -> Kernel {
    let array = |name: &str| Argument {
        name: name.to_string(),
        dtype: "float",
        size: 300,
        dimensions: 2,
    };
    Kernel {
        name: name.to_string(),
        numbers: None,
        inputs: vec![array("x")],
        outputs: vec![array("y")],
        header: String::new(),
        body: body.to_string(),
    }
}

fn job(kernel: usize, seed: u32) -> Job {
    let numbers = (0..300u32).flat_map(|n| (n as f32).to_le_bytes());
    Job {
        kernel,
        groups: 3,
        threads: 128,
        seed,
        inputs: vec![numbers.collect()],
        outputs: vec![1200],
    }
}

fn faulty() -> (Vec<Kernel>, Program) {
    let mut kernels = vec![kernel("right", BODY)];
    for (name, text, other, _) in FAULTS {
        assert!(BODY.contains(text), "{name}: the body has no {text:?}");
        kernels.push(kernel(name, &BODY.replacen(text, other, 1)));
    }
    let folder = crate::folder("planted");
    let program = compile(&folder, &kernels).unwrap_or_else(|e| panic!("{e}"));
    (kernels, program)
}

#[test]
fn every_planted_fault_is_found_and_the_right_kernel_passes() {
    let (kernels, program) = faulty();
    // A fault must be found in every order of the threads.
    let jobs: Vec<Job> = (0..kernels.len())
        .flat_map(|k| (0..3).map(move |s| job(k, s)))
        .collect();
    let outcomes = program.run(&jobs);
    let wrong: Vec<String> = jobs
        .iter()
        .zip(&outcomes)
        .filter_map(|(job, outcome)| wrong(job, outcome))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The fault of an outcome.
fn wrong(job: &Job, outcome: &Outcome) -> Option<String> {
    if job.kernel == 0 {
        let outputs = outcome
            .as_ref()
            .unwrap_or_else(|e| panic!("the right kernel: {e}"));
        let sum: f32 = (100..200).map(|n| n as f32).sum();
        let second = f32::from_le_bytes(outputs[0][404..408].try_into().unwrap());
        assert_eq!(second, 101.0 / sum);
        return None;
    }
    let (name, _, _, wanted) = FAULTS[job.kernel - 1];
    match outcome {
        Ok(_) => Some(format!("{name} is not found")),
        Err(said) if wanted.split('|').any(|part| said.contains(part)) => None,
        Err(said) => Some(format!("{name}: expected {wanted:?}, found:\n{said}")),
    }
}

/// Texts that Metal refuses are refused here: what the shim lacks, Metal lacks.
#[test]
fn functions_that_metal_lacks_do_not_compile() {
    let right = kernel("right", "y[0] = exp(x[0]);");
    assert_eq!(refusal(&crate::folder("refused"), &right), None);
    for line in [
        "y[0] = erf(x[0]);",
        "y[0] = expm1(x[0]);",
        "y[0] = expf(x[0]);",
        "y[0] = std::exp(x[0]);",
        "threadgroup float* p = nullptr; y[0] = p[0];",
        "bfloat16_t b = x[0]; y[0] = float(b);",
        "const float* p = x; y[0] = p[0];",
        "thread float* p = y; p[0] = 1.0f;",
        "threadgroup float* p = y; p[0] = 1.0f;",
        "int kernel = 1; int device = 2; y[0] = float(kernel + device);",
    ] {
        // Names of qualifiers vanish, so that the declarations are empty.
        let said = refusal(&crate::folder("refused"), &kernel("refused", line));
        assert!(said.is_some(), "{line} compiles");
    }
}
