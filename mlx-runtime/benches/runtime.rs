//! The overhead of this crate over MLX: a call, a recorded gradient, a step.
//!
//! `cargo bench -p mlx-runtime`; the graphs are small, so that time is the host's.

use std::collections::HashMap;
use std::hint::black_box;

use criterion::Criterion;
use mlx_runtime::optim::{AdamW, Optimizer};
use mlx_runtime::transforms::{eval, value_and_grad};
use mlx_runtime::{io, memory, ops, Array, Dtype, Result, Runtime};

fn build(c: &mut Criterion) {
    let a = ops::ones(&[4, 4], Dtype::Float32).unwrap();
    a.eval().unwrap();
    c.bench_function("build one add", |b| {
        b.iter(|| ops::add(black_box(&a), &a).unwrap())
    });
    c.bench_function("clone one array", |b| b.iter(|| black_box(&a).clone()));
    c.bench_function("fail one add", |b| {
        let wrong = ops::ones(&[3], Dtype::Float32).unwrap();
        b.iter(|| ops::add(black_box(&a), &wrong).unwrap_err())
    });
    c.bench_function("build and evaluate one add", |b| {
        b.iter(|| ops::add(black_box(&a), &a).unwrap().eval().unwrap())
    });
}

/// Ten layers of a square weight.
fn layers(x: &[Array]) -> Result<Vec<Array>> {
    let mut h = x[0].clone();
    for w in &x[1..] {
        h = ops::tanh(&ops::matmul(&h, w)?)?;
    }
    Ok(vec![ops::sum(&h, &[], false)?])
}

fn gradient(c: &mut Criterion) {
    let inputs: Vec<Array> = (0..11)
        .map(|_| ops::ones(&[4, 4], Dtype::Float32).unwrap())
        .collect();
    eval(&inputs.iter().collect::<Vec<_>>()).unwrap();
    let argnums: Vec<i32> = (1..11).collect();
    let f = value_and_grad(layers, &argnums);
    c.bench_function("record ten layers and their gradient", |b| {
        b.iter(|| f.call(&inputs).unwrap())
    });
}

fn step(c: &mut Criterion) {
    let params = [ops::ones(&[1 << 16], Dtype::Float32).unwrap()];
    let opt = AdamW::default();
    let state = opt.init(&params).unwrap();
    c.bench_function("AdamW step of one group of 65,536", |b| {
        b.iter(|| {
            let (p, s) = opt.step(&params, &params, &state, None).unwrap();
            eval(&p.iter().chain(s.arrays()).collect::<Vec<_>>()).unwrap();
        })
    });
}

fn files(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let arrays: Vec<_> = (0..200)
        .map(|i| {
            (
                format!("layer.{i}.weight"),
                ops::ones(&[64, 64], Dtype::Float32).unwrap(),
            )
        })
        .collect();
    io::save_safetensors(&path, &arrays, &HashMap::new()).unwrap();
    c.bench_function("open 200 tensors", |b| {
        b.iter(|| io::load_safetensors(&path).unwrap())
    });
    c.bench_function("save 200 tensors, 3 MB", |b| {
        b.iter(|| io::save_safetensors(&path, &arrays, &HashMap::new()).unwrap())
    });
}

/// The cost of a runtime's memory limit: the walk over a graph before it runs.
fn limit(c: &mut Criterion) {
    let x = ops::ones(&[4, 4], Dtype::Float32).unwrap();
    x.eval().unwrap();
    let graph = || (0..1000).fold(x.clone(), |h, _| ops::matmul(&h, &x).unwrap());
    let whole = graph();
    c.bench_function("forecast 1,000 operations", |b| {
        b.iter(|| memory::forecast(&[black_box(&whole)]).unwrap())
    });
    let mut run = |name: &str| {
        c.bench_function(name, |b| b.iter_with_setup(graph, |h| h.eval().unwrap()));
    };
    run("evaluate 1,000 small products");
    let _runtime = Runtime::builder().memory_limit(0.5).build().unwrap();
    run("the same within a memory limit");
}

// Not `criterion_group!`, because its function is public and undocumented.
fn main() {
    let mut c = Criterion::default().configure_from_args();
    build(&mut c);
    gradient(&mut c);
    step(&mut c);
    files(&mut c);
    limit(&mut c);
    c.final_summary();
}
