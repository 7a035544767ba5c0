//! Square f32 matrix products: OpenBLAS called directly, and the same through MLX C.
//!
//! `cargo bench -p mlx-sys --bench gemm` prints both in GFLOP/s and their ratio. With a number as
//! argument (`-- 0.8`) it fails where the ratio at 512 is less.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::time::{Duration, Instant};

use mlx_sys::*;

/// `cblas_sgemm`, the function that MLX itself calls; on Linux this library forwards it to OpenBLAS.
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
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The first `cblas_sgemm` that the program has loaded.
fn sgemm() -> Option<Sgemm> {
    let everywhere = if cfg!(target_os = "macos") {
        -2isize
    } else {
        0
    } as *mut c_void;
    // SAFETY: the name ends with a null, and `cblas.h` declares the function with this type.
    unsafe { std::mem::transmute(dlsym(everywhere, c"cblas_sgemm".as_ptr())) }
}

const ROW_MAJOR: c_int = 101;
const NO_TRANS: c_int = 111;

fn main() {
    let Some(sgemm) = sgemm() else {
        println!("no cblas_sgemm to compare with");
        return;
    };
    let least: Option<f64> = std::env::args().find_map(|arg| arg.parse().ok());
    // SAFETY: the text is static.
    let blas = unsafe { CStr::from_ptr(mlxrs_blas_name()) };
    println!("BLAS: {}", blas.to_string_lossy());
    println!("   n   BLAS GFLOP/s   MLX GFLOP/s   ratio");
    let mut failed = false;
    for n in [128, 256, 512, 1024] {
        let (direct, through_mlx) = compare(sgemm, n);
        let flop = 2.0 * (n as f64).powi(3) / 1e9;
        let ratio = direct.as_secs_f64() / through_mlx.as_secs_f64();
        println!(
            "{n:4} {:14.1} {:13.1} {ratio:7.2}",
            flop / direct.as_secs_f64(),
            flop / through_mlx.as_secs_f64()
        );
        failed |= n == 512 && least.is_some_and(|least| ratio < least);
    }
    if failed {
        eprintln!("MLX's product of 512 x 512 matrices is too slow");
        std::process::exit(1);
    }
}

/// The median time of one product by each way, measured in turns so that both see the same machine.
fn compare(sgemm: Sgemm, n: usize) -> (Duration, Duration) {
    let a: Vec<f32> = (0..n * n).map(|i| (i % 7) as f32 - 3.0).collect();
    let b: Vec<f32> = (0..n * n).map(|i| (i % 5) as f32 - 2.0).collect();
    let mut c = vec![0f32; n * n];
    let size = n as c_int;
    let shape = [size, size];
    // SAFETY: the three slices hold n * n elements each.
    let mut by_blas = || unsafe {
        sgemm(
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
    };
    // SAFETY: `a` and `b` hold the n * n elements that `shape` promises, and are copied.
    let (stream, left, right) = unsafe {
        (
            mlx_default_cpu_stream_new(),
            mlx_array_new_data(a.as_ptr().cast(), shape.as_ptr(), 2, mlx_dtype__MLX_FLOAT32),
            mlx_array_new_data(b.as_ptr().cast(), shape.as_ptr(), 2, mlx_dtype__MLX_FLOAT32),
        )
    };
    // SAFETY: the handles are alive; the product's is freed once.
    let by_mlx = || unsafe {
        let mut product = mlx_array_new();
        let failed = mlx_matmul(&mut product, left, right, stream) + mlx_array_eval(product);
        assert_eq!(failed, 0);
        mlx_array_free(product);
    };
    let rounds = (200_000_000 / (n * n * n)).clamp(11, 201);
    let (mut direct, mut through_mlx) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        direct.push(time(&mut by_blas));
        through_mlx.push(time(&by_mlx));
    }
    // SAFETY: each handle is freed once.
    unsafe {
        mlx_array_free(left);
        mlx_array_free(right);
        mlx_stream_free(stream);
    }
    (median(direct), median(through_mlx))
}

fn time(mut f: impl FnMut()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
