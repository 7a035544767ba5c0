//! Generated kernels beside another way to compute the same, forward and with the gradient.
//!
//! The ways take turns, and the table has the shortest time of each, so that other work on the machine disturbs all alike.
//!
//! `cargo bench -p mlx-runtime --bench rows`

use std::time::Instant;

use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::kernels::cpu::native_norm as native;
use mlx_runtime::transforms::{eval, vjp};
use mlx_runtime::{kernels::cpu, random, Array, Dtype, Result};

const TOKENS: i32 = 128;
const HIDDEN: i32 = 576;
const ROUNDS: usize = 400;

fn normal(shape: &[i32]) -> Result<Array> {
    let a = random::normal(shape, Dtype::Float32, 0.0, 1.0, None)?;
    a.eval()?;
    Ok(a)
}

/// The shortest times in microseconds of functions that take turns.
fn shortest(ways: &[&dyn Fn() -> Result<()>]) -> Result<Vec<f64>> {
    let mut best = vec![f64::MAX; ways.len()];
    for _ in 0..ROUNDS {
        for (way, best) in ways.iter().zip(&mut best) {
            let start = Instant::now();
            way()?;
            *best = best.min(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(best)
}

fn row(
    name: &str,
    inputs: &[Array],
    ways: [fn(&[Array]) -> Result<Vec<Array>>; 2],
    frozen: usize,
) -> Result<()> {
    let all = |a: &[Array]| eval(&a.iter().collect::<Vec<_>>());
    let forward = ways.map(|f| move || all(&f(inputs)?));
    let like = ways[0](inputs)?;
    let by: Vec<Array> = like
        .iter()
        .map(|y| normal(y.shape()))
        .collect::<Result<_>>()?;
    let by = &by;
    let (given, rest) = inputs.split_at(inputs.len() - frozen);
    let backward = ways.map(|f| {
        move || {
            let rest = rest.to_vec();
            let (y, grads) = vjp(move |x: &[Array]| f(&[x, &rest].concat()), given, by)?;
            all(&[y, grads].concat())
        }
    });
    for (what, times) in [
        ("forward", shortest(&[&forward[0], &forward[1]])?),
        ("with gradient", shortest(&[&backward[0], &backward[1]])?),
    ] {
        let [other, own] = times[..] else { continue };
        println!(
            "{name:24} {what:14} {other:9.1} us {own:9.1} us {:6.2}",
            own / other
        );
    }
    Ok(())
}

fn main() -> Result<()> {
    set_default_device(Device::cpu())?;
    for d in [8, HIDDEN, 4096] {
        let rows = [
            normal(&[1, TOKENS, d])?,
            normal(&[1, TOKENS, d])?,
            normal(&[d])?,
        ];
        for frozen in [0, 1] {
            row(
                &format!("norm {d} {frozen}"),
                &[rows[0].clone(), rows[2].clone()],
                [
                    |x| Ok(vec![native::rms_norm(&x[0], &x[1], 1e-5)?]),
                    if frozen == 1 {
                        |x| Ok(vec![cpu::rms_norm(&x[0], &x[1], 1e-5, true)?])
                    } else {
                        |x| Ok(vec![cpu::rms_norm(&x[0], &x[1], 1e-5, false)?])
                    },
                ],
                frozen,
            )?;
            row(
                &format!("add_rms_norm {d} {frozen}"),
                &rows,
                [
                    |x| native::add_rms_norm(&x[0], &x[1], &x[2], 1e-5).map(|(h, y)| vec![h, y]),
                    if frozen == 1 {
                        |x| {
                            cpu::add_rms_norm(&x[0], &x[1], &x[2], 1e-5, true)
                                .map(|(h, y)| vec![h, y])
                        }
                    } else {
                        |x| {
                            cpu::add_rms_norm(&x[0], &x[1], &x[2], 1e-5, false)
                                .map(|(h, y)| vec![h, y])
                        }
                    },
                ],
                frozen,
            )?;
        }
    }
    Ok(())
}
