//! A limit on the address space is an error and never the end of the process, wherever the space ends.
#![cfg(target_os = "linux")]

mod children;

use std::process::Command;
use std::thread;

use children::{child, command, said};
use mlx_runtime::runtime::Runtime;
use mlx_runtime::{ops, Array, Dtype, ErrorKind, Result};

const NAME: &str = "products_in_little_address_space_are_right_or_an_error";

/// The exit code of a child that met the limit.
const LIMITED: i32 = 3;

/// A product with one value in all places.
fn product(n: i32, dtype: Dtype) -> Result<()> {
    let ones = ops::ones(&[n, n], dtype)?;
    let made = ops::astype(&ops::matmul(&ones, &ones)?, Dtype::Float32)?;
    let (least, most) = (ops::min(&made, &[], false)?, ops::max(&made, &[], false)?);
    assert_eq!(
        (least.item::<f32>()?, most.item::<f32>()?),
        (n as f32, n as f32)
    );
    Ok(())
}

/// Products in three threads at once, small ones and some that are divided between threads.
fn products() -> Result<()> {
    let work = |dtype| {
        move || {
            [4, 100, 300, 600, 1200, 1200, 1200]
                .into_iter()
                .try_for_each(|n| product(n, dtype))
        }
    };
    let all: Vec<_> = [Dtype::Float32, Dtype::Float64, Dtype::Float32]
        .map(|dtype| {
            thread::Builder::new()
                .stack_size(1 << 20)
                .spawn(work(dtype))
        })
        .into_iter()
        .collect();
    // Threads that could not be started met the limit.
    let results: Vec<_> = all.into_iter().map(|t| Ok(t?.join().unwrap())).collect();
    results
        .into_iter()
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .collect()
}

/// An array of 8 GB, for which no limit here has room.
fn too_large(one: &Array) -> Result<()> {
    let all = ops::broadcast_to(one, &[1 << 16, 1 << 15])?;
    let Err(e) = ops::contiguous(&all, false)?.eval() else {
        panic!("8 GB in less than 1 GB");
    };
    match e.kind() {
        ErrorKind::OutOfMemory => ops::add(one, one)?.eval(),
        // A thread that cannot be started.
        _ => Err(e),
    }
}

#[test]
fn products_in_little_address_space_are_right_or_an_error() {
    if let Some(megabytes) = child(NAME) {
        // Refuses less room than any process needs; its memory limit ends here.
        let all = Runtime::builder().build().map(drop);
        let all = all.and_then(|()| too_large(&Array::scalar(1f32)?));
        let all = all.and_then(|()| products()).and_then(|()| products());
        if let Err(e) = all {
            println!("{megabytes} MB: {e}");
            std::process::exit(LIMITED);
        }
        return;
    }
    let (mut limited, mut enough) = (0, 0);
    for megabytes in (100..=1200).step_by(100) {
        let command = command(NAME, megabytes);
        let mut shell = Command::new("sh");
        let limit = format!("ulimit -v {}; exec \"$0\" \"$@\"", megabytes << 10);
        shell
            .args(["-c", &limit])
            .arg(command.get_program())
            .args(command.get_args());
        // Printing one needs more memory than there may be, and without it Rust's standard library waits for ever.
        shell.env("RUST_BACKTRACE", "0");
        shell.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let output = shell.output().unwrap();
        match output.status.code() {
            Some(LIMITED) => limited += 1,
            Some(0) => enough += 1,
            _ => panic!("{megabytes} MB: {}", said(&output)),
        }
    }
    assert!(limited >= 3 && enough >= 3, "{limited} and {enough}");
}
