//! A process that ends while its threads compute ends with its exit code, however and whenever it does.

mod children;

use std::process::exit;
use std::thread;
use std::time::Duration;

use children::{child, command, said};
use mlx_runtime::transforms::{self, CompileMode};
use mlx_runtime::{memory, ops, Array, Dtype, Result};

const CHILDREN: usize = 200;
const AT_ONCE: usize = 8;

/// A bit of everything: gradients, products, several outputs, FFT, random numbers.
fn work(n: i32) -> Result<f32> {
    let a = ops::full(&[n, n], &Array::scalar(1.0 / n as f32)?, Dtype::Float32)?;
    let product = ops::matmul(&a, &a)?;
    let parts = ops::split(&product, 2, 0)?;
    let f = |x: &[Array]| {
        Ok(vec![ops::sum(
            &ops::square(&ops::sin(&x[0])?)?,
            &[],
            false,
        )?])
    };
    let grads = transforms::grad(f, &[0]).call(&[ops::add(&parts[0], &parts[1])?])?;
    let noise = mlx_runtime::random::uniform(
        &Array::scalar(0.0f32)?,
        &Array::scalar(1.0f32)?,
        &[n],
        Dtype::Float32,
        None,
    )?;
    let wave = ops::abs(&mlx_runtime::fft::rfft(&noise, n, -1, Default::default())?)?;
    let compiled = transforms::compile(|x: &[Array]| Ok(vec![ops::exp(&ops::abs(&x[0])?)?]), false);
    let both = ops::add(
        &ops::sum(&grads[0], &[], false)?,
        &ops::sum(&compiled.call(&[wave])?[0], &[], false)?,
    )?;
    both.item::<f32>()
}

/// Threads that compute for ever, and one that reads counters.
fn compute() {
    transforms::compile_mode(CompileMode::NoFuse).unwrap();
    for i in 0..4 {
        thread::spawn(move || loop {
            work(64 + 32 * i).unwrap();
        });
    }
    thread::spawn(|| loop {
        memory::active().unwrap();
    });
}

/// Ends in one of several ways, after `number` quarters of a millisecond.
fn end(number: usize) {
    compute();
    thread::sleep(Duration::from_micros(250 * number as u64));
    match number % 4 {
        0 => exit(7),
        1 => panic!("on purpose"),
        2 => {
            thread::spawn(|| exit(8)).join().unwrap();
        }
        _ => {}
    }
}

fn code(number: usize) -> i32 {
    // The test harness ends with 101 if a test panics.
    [7, 101, 8, 0][number % 4]
}

#[test]
fn threads_compute_at_the_end() {
    const NAME: &str = "threads_compute_at_the_end";
    if let Some(number) = child(NAME) {
        return end(number.parse().unwrap());
    }
    all(NAME, CHILDREN, code);
}

/// Work that was started and is not waited for.
#[test]
fn work_is_queued_at_the_end() {
    const NAME: &str = "work_is_queued_at_the_end";
    if let Some(number) = child(NAME) {
        let number: i32 = number.parse().unwrap();
        let a = ops::ones(&[256, 256], Dtype::Float32).unwrap();
        let mut b = a.clone();
        for _ in 0..8 * number {
            b = ops::matmul(&a, &ops::sin(&b).unwrap()).unwrap();
        }
        transforms::async_eval(&[&b]).unwrap();
        exit(9);
    }
    all(NAME, 40, |_| 9);
}

/// Starts that many children, and looks at how each one ended.
fn all(name: &str, children: usize, code: fn(usize) -> i32) {
    let numbers: Vec<usize> = (0..children).collect();
    for some in numbers.chunks(AT_ONCE) {
        let started: Vec<_> = some
            .iter()
            .map(|&number| {
                let mut command = command(name, number);
                let piped = || std::process::Stdio::piped();
                (
                    number,
                    command.stdout(piped()).stderr(piped()).spawn().unwrap(),
                )
            })
            .collect();
        for (number, child) in started {
            let output = child.wait_with_output().unwrap();
            let ended = output.status.code();
            assert_eq!(
                ended,
                Some(code(number)),
                "child {number}: {}",
                said(&output)
            );
        }
    }
}
