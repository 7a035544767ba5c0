//! A process after a CUDA device failed: how it goes on, and how it ends. `device_lost/process.cpp` has its own driver,
//! and destructors that throw as MLX's do. (`mlx-runtime/tests/device_lost.rs` makes a real GPU fail.)
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The library that this process has loaded.
fn library() -> PathBuf {
    // SAFETY: the text is static; calling into the library keeps the linker from leaving it out.
    let blas = unsafe { CStr::from_ptr(mlx_sys::mlxrs_blas_name()) };
    assert!(!blas.is_empty());
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|l| l.contains("libmlxc.so")).unwrap();
    PathBuf::from(&line[line.find('/').unwrap()..])
}

/// The process, compiled once.
fn process() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("device_lost");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/device_lost/process.cpp");
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let done = Command::new(&compiler)
            // The library finds the driver among the program's own symbols. The test needs destructors that throw.
            .args(["-std=c++17", "-rdynamic", "-w", "-o"])
            .args([&path, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .unwrap_or_else(|e| panic!("{compiler}: {e}"));
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        path
    })
}

/// Returns true if MLX has a driver here, which would conflict with the process's own.
fn has_cuda() -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.contains("libcuda.so")
}

/// Runs a case, and returns its exit code (none if a signal ended it) and its stderr.
fn run(case: &str) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(process())
        .arg(library())
        .arg(case)
        .output()
        .unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[track_caller]
fn silent(case: &str, code: i32) {
    if has_cuda() {
        return println!("with CUDA: not tried");
    }
    assert_eq!(run(case), (Some(code), String::new()));
}

#[test]
fn a_device_that_works_changes_nothing() {
    silent("healthy", 0);
}

#[test]
fn a_thread_may_end_later_than_the_driver() {
    silent("thread_ends_after_the_driver", 7);
}

#[test]
fn a_static_that_ends_later_than_the_driver_does_not_abort() {
    silent("static_ends_after_the_driver", 1);
}

#[test]
fn main_ends_with_a_lost_device() {
    silent("main_ends", 1);
}

#[test]
fn a_thread_that_ends_with_a_lost_device_can_be_joined() {
    silent("a_thread_is_joined", 4);
}

#[test]
fn a_thread_leaves_time_for_the_error_of_a_call() {
    silent("a_thread_ends_first", 3);
}

/// A case that ends with one line on stderr.
#[track_caller]
fn told(case: &str, what: &str) {
    if has_cuda() {
        return println!("with CUDA: not tried");
    }
    let (code, text) = run(case);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("error: the GPU failed"), "{text}");
    assert!(text.contains(what) && text.lines().count() == 1, "{text}");
}

#[test]
fn a_device_that_nobody_knows_is_lost_is_told() {
    told("nobody_knows", "unspecified launch failure");
}

#[test]
fn work_that_ends_in_the_middle_is_told_even_so() {
    told("in_the_middle_of_work", "cuda_free(buf) failed");
}

/// A signal, and the exception's text.
#[track_caller]
fn aborts(case: &str, what: &str) {
    if has_cuda() {
        return println!("with CUDA: not tried");
    }
    let (code, text) = run(case);
    assert!(code.is_none() && text.contains(what), "{code:?} {text}");
}

#[test]
fn what_has_to_do_with_no_device_aborts_as_ever() {
    aborts("other_exception", "something else");
}

#[test]
fn an_error_that_reads_like_a_lost_device_is_none() {
    aborts("the_driver_knows_of_nothing", "unspecified launch failure");
}
