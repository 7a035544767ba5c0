//! The runtime's generated kernels beside the same composed of MLX's operations, forward and with the gradient: one row of
//! 128 tokens with the sizes of SmolLM2-135M and of an 8B.
//!
//! The two take turns, and the table has the shortest time of each, so that other work on the machine disturbs both alike.
//!
//! `cargo bench -p mlx-runtime --bench rows -- "rms_norm, 576"` measures what begins with that; without it, all.

use std::time::Instant;

use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::kernels::{self, cpu};
use mlx_runtime::transforms::{eval, vjp};
use mlx_runtime::{ops, random, Array, Dtype, Result};

const TOKENS: i32 = 128;
const ROUNDS: usize = 200;

type Call = fn(&[Array]) -> Result<Vec<Array>>;

/// Name, function, and the number of inputs: of the tokens' size, vectors with a gradient, and vectors without.
const CALLS: &[(&str, Call, [usize; 3])] = &[
    ("swiglu", |x| one(cpu::swiglu(&x[0], &x[1])), [2, 0, 0]),
    ("geglu", |x| one(cpu::geglu(&x[0], &x[1])), [2, 0, 0]),
    (
        "rms_norm",
        |x| one(cpu::rms_norm(&x[0], &x[1], 1e-5, false)),
        [1, 1, 0],
    ),
    (
        "rms_norm, frozen",
        |x| one(cpu::rms_norm(&x[0], &x[1], 1e-5, true)),
        [1, 0, 1],
    ),
    (
        "add_rms_norm",
        |x| cpu::add_rms_norm(&x[0], &x[1], &x[2], 1e-5, false).map(|(h, y)| vec![h, y]),
        [2, 1, 0],
    ),
    (
        "add_rms_norm, frozen",
        |x| cpu::add_rms_norm(&x[0], &x[1], &x[2], 1e-5, true).map(|(h, y)| vec![h, y]),
        [2, 0, 1],
    ),
    (
        "layer_norm",
        |x| one(cpu::layer_norm(&x[0], &x[1], Some(&x[2]), 1e-5)),
        [1, 2, 0],
    ),
];

fn one(y: Result<Array>) -> Result<Vec<Array>> {
    Ok(vec![y?])
}

fn normal(shape: &[i32], dtype: Dtype) -> Result<Array> {
    let a = random::normal(shape, Dtype::Float32, 0.0, 1.0, None)?;
    let a = ops::astype(&a, dtype)?;
    a.eval()?;
    Ok(a)
}

/// The shortest times in microseconds of two ways that take turns.
fn shortest(ways: [&dyn Fn() -> Result<()>; 2]) -> Result<[f64; 2]> {
    let mut best = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        for (way, best) in ways.iter().zip(&mut best) {
            let start = Instant::now();
            way()?;
            *best = best.min(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(best)
}

fn row(name: &str, f: Call, x: &[Array], frozen: usize) -> Result<()> {
    let all = |a: &[Array]| eval(&a.iter().collect::<Vec<_>>());
    let forward = || all(&f(x)?);
    let by = f(x)?
        .iter()
        .map(|y| normal(y.shape(), y.dtype()))
        .collect::<Result<Vec<_>>>()?;
    let (given, rest) = x.split_at(x.len() - frozen);
    let both = || {
        let rest = rest.to_vec();
        let (y, grads) = vjp(move |x: &[Array]| f(&[x, &rest].concat()), given, &by)?;
        all(&[y, grads].concat())
    };
    let composed = || kernels::without(forward);
    let both_composed = || kernels::without(both);
    for (what, times) in [
        ("forward", shortest([&composed, &forward])?),
        ("with gradient", shortest([&both_composed, &both])?),
    ] {
        let [other, own] = times;
        println!(
            "{name:40} {what:14} composed {other:8.1} us, kernel {own:8.1} us: {:.2}",
            own / other
        );
    }
    Ok(())
}

fn main() -> Result<()> {
    set_default_device(Device::cpu())?;
    // Cargo adds a flag.
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let wanted = wanted.unwrap_or_default();
    for dtype in [Dtype::Float32, Dtype::Bfloat16] {
        for size in [576, 4096] {
            for (name, f, [tokens, trained, frozen]) in CALLS {
                let name = format!("{name}, {size}, {dtype:?}");
                if !name.starts_with(&wanted) {
                    continue;
                }
                let shapes = [&[1, TOKENS, size][..], &[size], &[size]];
                let mut x = Vec::new();
                for (shape, count) in shapes.iter().zip([tokens, trained, frozen]) {
                    for _ in 0..*count {
                        x.push(normal(shape, dtype)?);
                    }
                }
                row(&name, *f, &x, *frozen)?;
            }
        }
    }
    Ok(())
}
