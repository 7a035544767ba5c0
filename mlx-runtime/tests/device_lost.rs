//! A GPU that fails while it works: threads that wait for it get an error, and the process ends normally.
//!
//! A failed GPU stays failed for the life of a process, so each case is a process of its own: this binary again.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mlx_runtime::device::{self, Device};
use mlx_runtime::ops::fast::{CudaKernel, KernelCall};
use mlx_runtime::stream::{self, Stream};
use mlx_runtime::{low_level::backend, ops, transforms, Array, Dtype, ErrorKind, Result};

/// Names the case in the process that runs it.
const CASE: &str = "MLX_RUNTIME_LOSE";

/// Runs the test `name` in a child process, and returns its exit code and its output.
fn again(name: &str) -> (Option<i32>, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(CASE, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let ended = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > Duration::from_secs(120) => {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let mut text = String::new();
    child.stdout.unwrap().read_to_string(&mut text).unwrap();
    child.stderr.unwrap().read_to_string(&mut text).unwrap();
    (ended.code(), text)
}

/// Starts a kernel on a separate stream that makes the GPU fail in `seconds`.
fn fail_in(seconds: f32) -> Result<()> {
    let kernel = CudaKernel::new(
        "fail_later",
        &["seconds"],
        &["out"],
        "
        auto now = [] { unsigned long long t; asm volatile(\"mov.u64 %0, %globaltimer;\" : \"=l\"(t)); return t; };
        auto start = now();
        while (now() - start < seconds[0] * 1e9f) { __nanosleep(1000000); }
        asm volatile(\"trap;\");
        out[0] = 0.0f;
        ",
    )
    .build()?;
    let stream = Stream::new(Device::gpu())?;
    let failing = stream::with(&stream, || {
        let call = KernelCall::new().output(&[1], Dtype::Float32);
        kernel.call(&[&Array::from_slice(&[seconds], &[1])?], &call)
    })?;
    transforms::async_eval(&[&failing[0]])
}

/// Products one after the other, for some seconds of an H100.
fn long_work(n: i32, count: usize) -> Result<Array> {
    let a = ops::full(&[n, n], &Array::scalar(1.0 / n as f32)?, Dtype::Float32)?;
    let mut b = a.clone();
    for _ in 0..count {
        b = ops::matmul(&a, &b)?;
    }
    Ok(b)
}

/// Prints the error of `work` after the GPU failed, and the error of the next call.
fn told(work: impl FnOnce() -> Result<()>) {
    fail_in(1.5).unwrap();
    let error = work().unwrap_err();
    println!("kind {:?}: {error}", error.kind());
    let next = ops::ones(&[3], Dtype::Float32).and_then(|a| a.eval());
    println!("then {:?}", next.map_err(|e| e.kind()));
}

/// The case `name`: `work` waits for a GPU that fails.
fn case(name: &str, work: impl FnOnce() -> Result<()>) {
    if std::env::var_os(CASE).is_some() {
        return told(work);
    }
    if !backend::cuda::is_available().unwrap() {
        // The work itself, so that nothing else is wrong with it.
        let sum = ops::sum(&long_work(8, 100).unwrap(), &[], false).unwrap();
        assert!((sum.item::<f32>().unwrap() - 8.0).abs() < 1e-3);
        assert!(!device::is_available(Device::gpu()).unwrap() || cfg!(target_os = "macos"));
        return;
    }
    let (code, text) = again(name);
    let said = format!("kind {:?}", ErrorKind::DeviceLost);
    assert!(text.contains(&said), "exit code {code:?}: {text}");
    let then = format!("then Err({:?})", ErrorKind::DeviceLost);
    assert!(text.contains(&then), "exit code {code:?}: {text}");
    // Neither a signal nor a second message.
    assert!(matches!(code, Some(0 | 1)), "exit code {code:?}: {text}");
    assert!(!text.contains("terminate called"), "{text}");
}

#[test]
fn an_evaluation_that_waits() {
    case("an_evaluation_that_waits", || long_work(4096, 4000)?.eval());
}

#[test]
fn a_loop_that_reads_what_the_step_before_gave() {
    case("a_loop_that_reads_what_the_step_before_gave", || {
        let mut before: Option<Array> = None;
        loop {
            let loss = ops::sum(&long_work(2048, 30)?, &[], false)?;
            transforms::async_eval(&[&loss])?;
            if let Some(loss) = before.replace(loss) {
                loss.item::<f32>()?;
            }
        }
    });
}

#[test]
fn a_stream_that_is_waited_for() {
    case("a_stream_that_is_waited_for", || {
        let work = long_work(4096, 600)?;
        transforms::async_eval(&[&work])?;
        std::thread::sleep(Duration::from_secs(2));
        Stream::default_gpu()?.synchronize()
    });
}
