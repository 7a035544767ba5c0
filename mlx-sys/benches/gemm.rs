//! Square f32 matrix products: OpenBLAS called directly, with its own threads, and MLX through MLX C.
//!
//! `cargo bench -p mlx-sys --bench gemm` prints the best of each in GFLOP/s and their ratio. With a number as argument
//! (`-- 0.8`) it fails if the ratio at 512 is less.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::time::{Duration, Instant};

use mlx_sys::*;

/// `cblas_sgemm`, whatever its name is.
type Sgemm = unsafe extern "C" fn(
    order: c_int,
    trans_a: c_int,
    trans_b: c_int,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: f32,
    a: *const f32,
    lda: c_int,
    b: *const f32,
    ldb: c_int,
    beta: f32,
    c: *mut f32,
    ldc: c_int,
);

extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// OpenBLAS itself, under the prefix that its package gives it.
#[derive(Clone, Copy)]
struct OpenBlas {
    sgemm: Sgemm,
    set_threads: unsafe extern "C" fn(c_int),
}

impl OpenBlas {
    fn find() -> Option<Self> {
        // SAFETY: the names end with a null, and OpenBLAS's headers declare the functions with these
        // types; a null pointer becomes `None`.
        unsafe {
            let loaded = dlopen(c"libscipy_openblas.so".as_ptr(), RTLD_NOW | RTLD_NOLOAD);
            if loaded.is_null() {
                return None;
            }
            let sgemm = dlsym(loaded, c"scipy_cblas_sgemm".as_ptr());
            let set_threads = dlsym(loaded, c"scipy_openblas_set_num_threads".as_ptr());
            Some(OpenBlas {
                sgemm: std::mem::transmute::<*mut c_void, Option<Sgemm>>(sgemm)?,
                set_threads: std::mem::transmute::<*mut c_void, Option<unsafe extern "C" fn(c_int)>>(
                    set_threads,
                )?,
            })
        }
    }
}

/// Of Linux: only a library that is loaded already.
const RTLD_NOLOAD: c_int = 4;
const RTLD_NOW: c_int = 2;

const SIZES: [usize; 4] = [128, 256, 512, 1024];
const ROW_MAJOR: c_int = 101;
const NO_TRANS: c_int = 111;

fn main() {
    let Some(openblas) = OpenBlas::find() else {
        println!("no OpenBLAS to compare with");
        return;
    };
    let least: Option<f64> = std::env::args().find_map(|arg| arg.parse().ok());
    // SAFETY: the text is static.
    let blas = unsafe { CStr::from_ptr(mlxrs_blas_name()) };
    println!("BLAS: {}", blas.to_string_lossy());
    // MLX first: OpenBLAS's threads, once started, go on spinning in the way of others.
    let through_mlx = SIZES.map(through_mlx);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as c_int);
    // SAFETY: no arguments but a number. This crate's library keeps OpenBLAS to one thread, and splits products over
    // its own threads.
    unsafe { (openblas.set_threads)(threads) };
    let direct = SIZES.map(|n| directly(openblas, n));
    println!("   n   OpenBLAS   MLX   ratio   (GFLOP/s)");
    let mut failed = false;
    for ((n, mlx), direct) in SIZES.into_iter().zip(through_mlx).zip(direct) {
        println!("{n:4} {direct:10.0} {mlx:5.0} {:7.2}", mlx / direct);
        failed |= n == 512 && least.is_some_and(|least| mlx / direct < least);
    }
    if failed {
        eprintln!("MLX's product of 512 x 512 matrices is too slow");
        std::process::exit(1);
    }
}

fn operand(n: usize, period: usize) -> Vec<f32> {
    (0..n * n).map(|i| (i % period) as f32 - 2.0).collect()
}

/// GFLOP/s of OpenBLAS on n x n matrices.
fn directly(openblas: OpenBlas, n: usize) -> f64 {
    let (a, b, mut c) = (operand(n, 7), operand(n, 5), vec![0f32; n * n]);
    let size = n as c_int;
    // SAFETY: the three slices hold n * n elements each.
    best(n, || unsafe {
        (openblas.sgemm)(
            ROW_MAJOR,
            NO_TRANS,
            NO_TRANS,
            size,
            size,
            size,
            1.0,
            a.as_ptr(),
            size,
            b.as_ptr(),
            size,
            0.0,
            c.as_mut_ptr(),
            size,
        );
    })
}

/// GFLOP/s of MLX on n x n matrices, with all that comes with an evaluation.
fn through_mlx(n: usize) -> f64 {
    let (a, b) = (operand(n, 7), operand(n, 5));
    let shape = [n as c_int; 2];
    // SAFETY: `a` and `b` hold the n * n elements that `shape` promises, and are copied.
    let (stream, left, right) = unsafe {
        (
            mlx_default_cpu_stream_new(),
            mlx_array_new_data(a.as_ptr().cast(), shape.as_ptr(), 2, mlx_dtype__MLX_FLOAT32),
            mlx_array_new_data(b.as_ptr().cast(), shape.as_ptr(), 2, mlx_dtype__MLX_FLOAT32),
        )
    };
    // SAFETY: the handles are alive; the product's is freed once.
    let speed = best(n, || unsafe {
        let mut product = mlx_array_new();
        let failed = mlx_matmul(&mut product, left, right, stream) + mlx_array_eval(product);
        assert_eq!(failed, 0);
        mlx_array_free(product);
    });
    // SAFETY: each handle is freed once.
    unsafe {
        mlx_array_free(left);
        mlx_array_free(right);
        mlx_stream_free(stream);
    }
    speed
}

/// The best of half a second, in GFLOP/s: on a machine with other work it is the figure that repeats.
fn best(n: usize, mut product: impl FnMut()) -> f64 {
    let (begin, mut best) = (Instant::now(), Duration::MAX);
    while begin.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        product();
        best = best.min(start.elapsed());
    }
    2.0 * (n as f64).powi(3) / 1e9 / best.as_secs_f64()
}
