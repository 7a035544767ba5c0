//! A limit on threads is an error, whichever thread cannot be started: never a hang or the end of the process.
#![cfg(target_os = "linux")]

mod children;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use children::{child, command, said};
use mlx_runtime::monitor::Monitor;
use mlx_runtime::transforms::{self, CompileMode};
use mlx_runtime::{export, io, ops, random, Array, Dtype, Result};

const NAME: &str = "a_limit_on_threads_is_an_error";

/// The exit code of a child that met the limit.
const LIMITED: i32 = 3;

/// In front of the C library's `pthread_create`: no more threads at a time than LIVE_THREADS says, and none for
/// FAILING_TIMES calls from the call FAILING_FROM on.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static int live, calls;
struct call { void *(*f)(void *); void *with; };

static void ended(void *call) {
  __sync_fetch_and_sub(&live, 1);
  free(call);
}

static void *run(void *at) {
  struct call *call = at;
  void *result;
  pthread_cleanup_push(ended, call);
  result = call->f(call->with);
  pthread_cleanup_pop(1);
  return result;
}

static int number(const char *name, int otherwise) {
  const char *text = getenv(name);
  return text ? atoi(text) : otherwise;
}

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*f)(void *), void *with) {
  create *original = (create *)dlsym(RTLD_NEXT, "pthread_create");
  int after = __sync_fetch_and_add(&calls, 1) - number("FAILING_FROM", 1 << 30);
  int failing = after >= 0 && after < number("FAILING_TIMES", 0);
  if (__sync_fetch_and_add(&live, 1) >= number("LIVE_THREADS", 1 << 30) || failing) {
    __sync_fetch_and_sub(&live, 1);
    return EAGAIN;
  }
  struct call *call = malloc(sizeof *call);
  call->f = f;
  call->with = with;
  return original(t, attr, run, call);
}
"#;

/// Everything that starts a thread.
fn all() -> Result<()> {
    transforms::compile_mode(CompileMode::NoFuse)?;
    let a = random::normal(&[128, 128], Dtype::Float32, 0.0, 1.0, None)?;
    let b = ops::matmul(&a, &a)?;
    let wave = mlx_runtime::fft::fft(&b, 128, 0, Default::default())?;
    assert!(ops::sum(&ops::abs(&wave)?, &[], false)?.item::<f32>()? > 0.0);
    let saved = io::save_npy_to(Cursor::new(Vec::new()), &b)?.into_inner();
    let loaded = io::load_npy_from(Cursor::new(saved))?;
    assert_eq!(loaded.to_vec::<f32>()?, b.to_vec::<f32>()?);
    imported()?;
    let monitor = Monitor::new()?;
    #[cfg(feature = "serve")]
    drop(monitor.serve(0)?);
    drop(monitor);
    Ok(())
}

/// A function with a constant that MLX reads in two pieces, on a second pool of threads.
fn imported() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("add.mlxfn");
    let w = ops::full(&[9 << 20], &Array::scalar(2.0f32)?, Dtype::Float32)?;
    w.eval()?;
    let x = [Array::scalar(1.0f32)?];
    export::export_function(&path, move |x| Ok(vec![ops::add(&x[0], &w)?]), &x, false)?;
    let made = export::import_function(&path)?.call(&x)?;
    let (least, most) = (
        ops::min(&made[0], &[], false)?,
        ops::max(&made[0], &[], false)?,
    );
    assert_eq!((least.item::<f32>()?, most.item::<f32>()?), (3.0, 3.0));
    Ok(())
}

fn shim(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source]);
    assert!(compiler.arg("-ldl").status().unwrap().success());
    library
}

#[test]
fn a_limit_on_threads_is_an_error() {
    if child(NAME).is_some() {
        // Twice, because a failed call may be tried again.
        if all().and(all()).is_err() {
            std::process::exit(LIMITED);
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shim = shim(folder.path());
    let run = |number: usize, limits: &[(&str, usize)]| {
        let mut command = command(NAME, number);
        command.envs(limits.iter().map(|(name, n)| (*name, n.to_string())));
        let mut child = command
            .env("LD_PRELOAD", &shim)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > Duration::from_secs(120) {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(LIMITED) => (1, 0),
            Some(0) => (0, 1),
            _ => panic!("{limits:?}: {}", said(&output)),
        }
    };
    let mut sums = [(0, 0); 3];
    for n in 0..14 {
        let each = [
            run(n, &[("LIVE_THREADS", n)]),
            // A thread that ends elsewhere makes room for the next one.
            run(n, &[("FAILING_FROM", n), ("FAILING_TIMES", 1)]),
            run(n, &[("FAILING_FROM", n), ("FAILING_TIMES", 1000)]),
        ];
        for (sum, (limited, enough)) in sums.iter_mut().zip(each) {
            *sum = (sum.0 + limited, sum.1 + enough);
        }
    }
    // (children that met the limit, children that had enough threads)
    let [live, once, ever] = sums;
    assert!(live.0 >= 1 && live.1 >= 5, "{sums:?}");
    assert!(once.1 >= 10, "{sums:?}");
    assert!(ever.0 >= 1 && ever.1 >= 5, "{sums:?}");
}
