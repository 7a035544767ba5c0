//! Time to build and to drop a graph of some 1,000 operations: through the safe API, through the code that `#[mlx_fn]`
//! generates, with raw calls of MLX C, and with MLX's Python.
//!
//! ```console
//! $ cargo bench -p mlx-runtime --bench graph
//! $ MLX_PYTHON=python3 cargo bench -p mlx-runtime --bench graph     # a Python that has mlx
//! ```
//!
//! Besides criterion's figures it prints two ratios: safe by raw, and Python by safe. The rounds of safe and raw take
//! turns, so that other load on the machine slows both; the second ratio compares the fastest rounds.
//! `GRAPH_RUN="safe elementwise 50"` only builds 50 graphs, for a profiler or `callgrind`.

mod dsl;
mod raw;
mod safe;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use mlx_runtime::{low_level::graph, stream, transforms, Array, Result};

/// The evaluated inputs of all graphs.
pub struct Inputs {
    /// `[1, 8, 16]`.
    pub x: Array,
    /// `[16, 16]`, eight of them.
    pub w: Vec<Array>,
    /// `[16]`.
    pub gain: Array,
}

impl Inputs {
    fn new() -> Result<Self> {
        let ones = |shape: &[i32]| mlx_runtime::ops::ones(shape, mlx_runtime::Dtype::Float32);
        let made = Self {
            x: ones(&[1, 8, 16])?,
            w: (0..8).map(|_| ones(&[16, 16])).collect::<Result<_>>()?,
            gain: ones(&[16])?,
        };
        let all: Vec<&Array> = made.w.iter().chain([&made.x, &made.gain]).collect();
        transforms::eval(&all)?;
        Ok(made)
    }
}

/// One graph in every way there is.
struct Mix {
    name: &'static str,
    safe: fn(&Inputs) -> Result<Array>,
    /// With the same C calls.
    raw: unsafe fn(&Inputs) -> raw::Handle,
    /// The function of `graph.py`.
    python: &'static str,
}

const MIXES: &[Mix] = &[
    Mix {
        name: "elementwise",
        safe: safe::elementwise,
        raw: raw::elementwise,
        python: "elementwise",
    },
    Mix {
        name: "shapes",
        safe: safe::shapes,
        raw: raw::shapes,
        python: "shapes",
    },
    Mix {
        name: "mlp",
        safe: safe::mlp,
        raw: raw::mlp,
        python: "mlp",
    },
    Mix {
        name: "transformer",
        safe: safe::transformer,
        raw: raw::transformer,
        python: "transformer",
    },
    Mix {
        name: "transformer, generated",
        safe: dsl::transformer,
        raw: raw::transformer,
        python: "transformer",
    },
];

fn build_safe(mix: &Mix, inputs: &Inputs) {
    drop(black_box((mix.safe)(black_box(inputs)).unwrap()));
}

fn build_raw(mix: &Mix, inputs: &Inputs) {
    // SAFETY: the inputs are alive, and the thread has a stream.
    drop(black_box(unsafe { (mix.raw)(black_box(inputs)) }));
}

fn time(mut f: impl FnMut()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of the ratios of neighbouring rounds, and the fastest safe and raw round in
/// microseconds.
fn pairs(mix: &Mix, inputs: &Inputs, rounds: usize) -> (f64, f64, f64) {
    let mut ratios = Vec::with_capacity(rounds);
    let mut fastest = [Duration::MAX; 2];
    let build: [fn(&Mix, &Inputs); 2] = [build_safe, build_raw];
    for i in 0..rounds {
        let mut took = [Duration::ZERO; 2];
        // Each goes first equally often.
        for way in [i % 2, 1 - i % 2] {
            took[way] = time(|| build[way](mix, inputs));
            fastest[way] = fastest[way].min(took[way]);
        }
        ratios.push(took[0].as_secs_f64() / took[1].as_secs_f64());
    }
    let us = fastest.map(|t| t.as_secs_f64() * 1e6);
    (median(ratios), us[0], us[1])
}

/// Microseconds of Python's fastest round for each mix, by name.
fn python() -> Option<std::collections::HashMap<String, f64>> {
    let interpreter = std::env::var_os("MLX_PYTHON").or_else(|| {
        println!("not beside Python: MLX_PYTHON names no interpreter that has mlx");
        None
    })?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/graph/graph.py");
    let out = std::process::Command::new(interpreter)
        .arg(script)
        .output()
        .expect("MLX_PYTHON names an interpreter");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{errors}");
    Some(serde_json::from_slice(&out.stdout).expect("the script prints a map"))
}

/// The mixes build the same graphs in every way, or the figures mean nothing.
fn check(inputs: &Inputs) {
    for mix in MIXES {
        let nodes = |a: &Array| graph::count_nodes(&[a]).unwrap();
        let safe = (mix.safe)(inputs).unwrap();
        println!("{}: {} nodes", mix.name, nodes(&safe));
        // SAFETY: as in `build_raw`.
        let raw = unsafe { (mix.raw)(inputs) }.into_array();
        assert_eq!(nodes(&safe), nodes(&raw), "nodes of {}", mix.name);
        assert_eq!(safe.shape(), raw.shape());
    }
}

fn run(what: &str, inputs: &Inputs) {
    let (way, rest) = what.split_once(' ').expect("a way, a mix, a number");
    let (name, n) = rest.rsplit_once(' ').expect("a way, a mix, a number");
    let mix = MIXES.iter().find(|m| m.name == name).expect("a mix");
    for _ in 0..n.parse().expect("a number") {
        match way {
            "safe" => build_safe(mix, inputs),
            _ => build_raw(mix, inputs),
        }
    }
}

// Not `criterion_group!`, because its function is public and undocumented.
fn main() {
    stream::synchronize().unwrap();
    let inputs = Inputs::new().unwrap();
    if let Ok(what) = std::env::var("GRAPH_RUN") {
        return run(&what, &inputs);
    }
    check(&inputs);
    let mut c = Criterion::default().configure_from_args();
    for mix in MIXES {
        c.bench_function(&format!("{}: safe", mix.name), |b| {
            b.iter(|| build_safe(mix, &inputs))
        });
        c.bench_function(&format!("{}: raw", mix.name), |b| {
            b.iter(|| build_raw(mix, &inputs))
        });
    }
    c.final_summary();
    if std::env::args().any(|a| a == "--test" || a == "--list") {
        return;
    }
    let python = python();
    for mix in MIXES {
        let (ratio, safe, raw) = pairs(mix, &inputs, 1001);
        print!("{}: {safe:.0} us, {ratio:.3} of raw calls", mix.name);
        match python.as_ref().map(|p| p[mix.python]) {
            Some(us) => println!("; Python {us:.0} us, raw calls {:.2} of it", raw / us),
            None => println!(),
        }
    }
}
