//! Metal's text on an NVIDIA GPU: real warps, real concurrency and rows of real sizes. `metal_on_cuda.cuh` of `mlx-runtime`
//! has Metal's words. CUDA's text of the same programs runs beside it. The references are computed by MLX on the CPU.
//!
//! `examples/llama_lora/bench/right.py --suites metal-text` runs it; on a CPU it does nothing.

#![allow(dead_code)] // what the tests on a CPU need

#[path = "../arrays.rs"]
mod arrays;
#[path = "../compile.rs"]
mod compile;
#[path = "../composed.rs"]
mod composed;
#[path = "../emitted.rs"]
mod emitted;
#[path = "../programs.rs"]
mod programs;
#[path = "../random.rs"]
mod random;
#[path = "../../../mlx-macros/core/tests/kernels/generate.rs"]
mod source;
#[path = "../steps.rs"]
mod steps;
#[path = "../wrap.rs"]
mod wrap;

use mlx_macros_core::entry::kernels;
use mlx_macros_core::kernel::ir::Source;
use mlx_macros_core::kernel::vjp;
use mlx_runtime::device::{self, Device};
use mlx_runtime::kernels::rows::{cuda, metal};
use mlx_runtime::Result;

use composed::Sizes;
use programs::Launch;

/// Random programs and composed kernels, each with its gradient if it has one.
const PROGRAMS: u64 = 40;

/// Rows longer than a block has threads, and some that no pack divides.
fn sizes(seed: u64) -> Sizes {
    let wide = [1000, 1024, 2048, 4096, 5000, 77][seed as usize % 6];
    let all = [("B", 3), ("L", 41), ("D", wide), ("E", 96), ("N", 5)];
    Sizes(all.iter().map(|(n, s)| ((*n).to_string(), *s)).collect())
}

fn launches() -> Vec<Launch> {
    let mut all = Vec::new();
    for seed in 0..PROGRAMS {
        let program = random::program(seed).program;
        let frozen = vec![false; program.inputs.len()];
        if let Ok(Some(gradient)) = vjp::gradient(&program, &frozen) {
            if gradient
                .inputs
                .iter()
                .any(|s| matches!(s, Source::Cotangent(_)))
            {
                all.extend(Launch::gradient(&program, gradient, sizes(seed), seed));
            }
        }
        all.extend(Launch::new(program, sizes(seed), seed));
    }
    let mut random = source::Random(7);
    for seed in 0..PROGRAMS / 2 {
        let made = source::kernel(&format!("composed{seed}"), &mut random);
        let f = syn::parse_str(&made.text).expect("the generator writes a function");
        let (program, gradient) = kernels::programs(&f).expect("the generator writes kernels");
        if let Ok(Some(gradient)) = gradient {
            all.extend(Launch::gradient(&program, gradient, sizes(seed), seed));
        }
        all.extend(Launch::new(program, sizes(seed), seed));
    }
    all
}

/// Runs a launch on the GPU; the references come from the CPU.
fn wrong(launch: &mut Launch, of_metal: bool, counts: &mut [usize; 2]) -> Option<String> {
    let text = launch.text;
    let threads = if of_metal {
        metal::THREADS
    } else {
        cuda::THREADS
    };
    let Some(layout) = launch.with_call(|call| call.layout(&text, threads)) else {
        return Some("no layout".to_string());
    };
    launch.layout = layout;
    let run = if of_metal {
        cuda::launch_metal
    } else {
        cuda::launch
    };
    let made = launch.with_call(|call| run(&text, call));
    let outcome = match made {
        Some(Ok(arrays)) => Ok(arrays.iter().map(arrays::bytes).collect()),
        Some(Err(e)) => Err(e.to_string()),
        None => Err("the launch is too large".to_string()),
    };
    let compared = device::with_default(Device::cpu(), || Ok(launch.wrong(&outcome, counts)));
    compared.unwrap_or_else(|e| Some(e.to_string()))
}

fn compare(of_metal: bool) -> Result<()> {
    println!("computed on {}", device::default_device()?);
    if !cuda::is_available() {
        println!("there is no NVIDIA GPU: not run");
        return Ok(());
    }
    let mut counts = [0; 2];
    let mut failures = Vec::new();
    let made = device::with_default(Device::cpu(), || Ok(launches()))?;
    let count = made.len();
    for launch in made {
        let launch = if of_metal {
            Some(launch)
        } else {
            launch.for_cuda()
        };
        let mut launch = launch.expect("the program has a text");
        if let Some(wrong) = wrong(&mut launch, of_metal, &mut counts) {
            let body = compile::numbered(&launch.kernel.body);
            failures.push(format!(
                "{}: {wrong}\n{}{body}",
                launch.program.name, launch.text.header
            ));
        }
    }
    let [elements, unstable] = counts;
    println!("{count} programs, {elements} elements, {unstable} of them depend on rounding");
    let shown = failures[..failures.len().min(3)].join("\n");
    assert!(
        failures.is_empty(),
        "{} programs are wrong\n{shown}",
        failures.len()
    );
    assert!(unstable * 10 < elements);
    Ok(())
}

#[test]
fn metal_text_agrees_with_mlx() -> Result<()> {
    compare(true)
}

#[test]
fn cuda_text_agrees_with_mlx() -> Result<()> {
    compare(false)
}
