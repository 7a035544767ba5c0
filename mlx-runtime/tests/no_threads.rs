//! A limit on threads is an error, whichever thread cannot be started: never a hang or the end of the process.

mod children;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use children::{child, command, said};
use mlx_runtime::monitor::Monitor;
use mlx_runtime::transforms::{self, CompileMode};
use mlx_runtime::{io, ops, random, Dtype, Result};

const NAME: &str = "a_limit_on_threads_is_an_error";

/// The exit code of a child that met the limit.
const LIMITED: i32 = 3;

/// In front of the C library's `pthread_create`: no more threads at a time than LIVE_THREADS says.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static int live;
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

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*f)(void *), void *with) {
  create *original = (create *)dlsym(RTLD_NEXT, "pthread_create");
  if (__sync_fetch_and_add(&live, 1) >= atoi(getenv("LIVE_THREADS"))) {
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
    let monitor = Monitor::new()?;
    #[cfg(feature = "serve")]
    drop(monitor.serve(0)?);
    drop(monitor);
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
#[cfg(target_os = "linux")]
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
    let (mut limited, mut enough) = (0, 0);
    for live in 0..24 {
        let mut child = command(NAME, live)
            .env("LIVE_THREADS", live.to_string())
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
            Some(LIMITED) => limited += 1,
            Some(0) => enough += 1,
            _ => panic!("{live} threads: {}", said(&output)),
        }
    }
    assert!(limited >= 5 && enough >= 5, "{limited} and {enough}");
}
