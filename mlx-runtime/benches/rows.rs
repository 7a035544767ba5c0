//! Generated kernels beside the native ones of the same operation, in float32: the sizes of SmolLM2-135M, one row of 128
//! tokens, forward and with the gradient.
//!
//! `cargo bench -p mlx-runtime --bench rows`

use criterion::Criterion;
use mlx_macros::mlx_kernel;
use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::transforms::{eval, value_and_grad};
use mlx_runtime::{kernels::cpu, ops, random, Array, Dtype, Result};

const TOKENS: i32 = 128;
const HIDDEN: i32 = 576;
const INNER: i32 = 1536;

#[mlx_kernel]
fn gated(gate: Tensor![B, L, F], up: Tensor![B, L, F]) -> Tensor![B, L, F] {
    silu(gate) * up
}

#[mlx_kernel]
fn add_rms_norm(
    x: Tensor![B, L, D],
    r: Tensor![B, L, D],
    #[frozen] w: Tensor![D],
    eps: f32,
) -> (Tensor![B, L, D], Tensor![B, L, D]) {
    let h = x + r;
    (h, h * rsqrt(mean(square(h), -1, keepdims) + eps) * w)
}

fn normal(shape: &[i32]) -> Result<Array> {
    let a = random::normal(shape, Dtype::Float32, 0.0, 1.0, None)?;
    a.eval()?;
    Ok(a)
}

type Call = fn(&[Array]) -> Result<Vec<Array>>;

fn one(c: &mut Criterion, name: &str, inputs: &[Array], native: Call, generated: Call) {
    let mut group = c.benchmark_group(name);
    for (way, f) in [("native", native), ("generated", generated)] {
        group.bench_function(format!("{way} forward"), |b| {
            b.iter(|| {
                let out = f(inputs).expect("the kernel takes the inputs");
                eval(&out.iter().collect::<Vec<_>>()).expect("the kernel runs");
            });
        });
        let loss = move |x: &[Array]| {
            let out = f(x)?;
            let sums = out
                .iter()
                .map(|y| ops::sum(y, &[], false))
                .collect::<Result<Vec<_>>>()?;
            let first = sums[0].clone();
            sums[1..]
                .iter()
                .try_fold(first, |a, b| ops::add(&a, b))
                .map(|s| vec![s])
        };
        let step = value_and_grad(loss, &[0, 1]);
        group.bench_function(format!("{way} with its gradient"), |b| {
            b.iter(|| {
                let (value, grads) = step.call(inputs).expect("the kernel has a gradient");
                eval(&value.iter().chain(&grads).collect::<Vec<_>>()).expect("the kernel runs");
            });
        });
    }
    group.finish();
}

fn kernels(c: &mut Criterion) {
    set_default_device(Device::cpu()).expect("there is a CPU");
    let wide = [0, 1].map(|_| normal(&[1, TOKENS, INNER]).expect("random numbers"));
    one(
        c,
        "gated",
        &wide,
        |x| Ok(vec![cpu::swiglu(&x[0], &x[1])?]),
        |x| Ok(vec![gated(&x[0], &x[1])?]),
    );
    let shapes: [&[i32]; 3] = [&[1, TOKENS, HIDDEN], &[1, TOKENS, HIDDEN], &[HIDDEN]];
    let rows = shapes.map(|s| normal(s).expect("random numbers"));
    one(
        c,
        "add_rms_norm",
        &rows,
        |x| cpu::add_rms_norm(&x[0], &x[1], &x[2], 1e-5).map(|(h, y)| vec![h, y]),
        |x| add_rms_norm(&x[0], &x[1], &x[2], 1e-5).map(|(h, y)| vec![h, y]),
    );
}

// Not `criterion_group!`, because its function is public and undocumented.
fn main() {
    let mut c = Criterion::default().configure_from_args();
    kernels(&mut c);
    c.final_summary();
}
