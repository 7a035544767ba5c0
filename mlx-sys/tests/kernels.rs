//! The loops of the fused operations: each version gives the same bits, and the sum of a row, however long,
//! is near its sum in float64.

use std::ffi::CStr;
use std::process::Command;

use mlx_sys::*;

/// Twice the float32 rounding error.
const ULP: f64 = 1.2e-7;
/// The error bound of a sum in `mlx_rs_kernels.h`.
const SUM: f64 = 20.0 / (1 << 24) as f64;
/// Vocabularies of SmolLM2, Qwen2.5 and Gemma 3, and lengths around the parts of a sum.
const LENGTHS: [usize; 10] = [1, 15, 16, 17, 255, 257, 49_152, 151_936, 262_144, 262_151];

fn versions() -> &'static [&'static mlxrs_kernels] {
    let mut count = 0;
    // SAFETY: the list has `count` pointers, none of them null, and lives as long as the program, as what
    // they lead to.
    unsafe {
        let first = mlxrs_kernel_versions(&mut count);
        std::slice::from_raw_parts(first.cast(), count as usize)
    }
}

fn level(version: &mlxrs_kernels) -> &'static str {
    // SAFETY: a level is a literal.
    unsafe { CStr::from_ptr(version.level) }.to_str().unwrap()
}

/// Rows of `n` numbers that sums get wrong in their own ways.
fn rows(n: usize) -> Vec<(&'static str, Vec<f32>)> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    vec![
        ("equal", vec![0.1; n]),
        ("thirds", vec![-1.0 / 3.0; n]),
        ("noise", (0..n).map(|_| 6.0 * uniform() - 3.0).collect()),
        ("positive", (0..n).map(|_| uniform()).collect()),
        (
            "falling",
            (0..n).map(|i| 4.0 - 8.0 * i as f32 / n as f32).collect(),
        ),
        (
            "one large",
            (0..n)
                .map(|i| if i == 0 { 4.0 } else { -2.0 * uniform() })
                .collect(),
        ),
        (
            "one above equal ones",
            (0..n).map(|i| [2.3, 0.0][usize::from(i > 0)]).collect(),
        ),
        (
            "cancelling",
            (0..n)
                .map(|i| [1.7, -1.7][i % 2] * (1.0 + uniform() / 64.0))
                .collect(),
        ),
    ]
}

#[track_caller]
fn near(what: &str, got: f32, expected: f64, bound: f64) {
    let error = (f64::from(got) - expected).abs();
    assert!(
        error <= bound,
        "{what}: {got} is {error:e} from {expected}, more than {bound:e}"
    );
}

/// Calls `check` for each version, length and row.
fn each(mut check: impl FnMut(&str, &mlxrs_kernels, &[f32])) {
    for n in LENGTHS {
        for (name, row) in rows(n) {
            for version in versions() {
                check(&format!("{}, {n} {name}", level(version)), version, &row);
            }
        }
    }
}

#[test]
fn sums_of_exponentials_are_near() {
    each(|what, k, x| {
        let n = x.len() as i64;
        let m = x.iter().copied().fold(f32::MIN, f32::max);
        // The exponents are rounded to float32, so the sum is over the rounded ones.
        let terms: Vec<f64> = x.iter().map(|x| f64::from(x - m).exp()).collect();
        let sum: f64 = terms.iter().sum();
        let bound = sum * (SUM + 2.0 * ULP);
        let mut e = x.to_vec();
        // SAFETY: both rows have `n` elements.
        let (max, plain, kept) = unsafe {
            (
                k.max.unwrap()(x.as_ptr(), n),
                k.sum_exp.unwrap()(x.as_ptr(), n, m),
                k.exp_and_sum.unwrap()(e.as_mut_ptr(), n, m),
            )
        };
        assert_eq!(max, m, "{what}");
        near(what, plain, sum, bound);
        assert_eq!(plain, kept, "{what}");
        for (e, term) in e.iter().zip(terms) {
            near(what, *e, term, 2.0 * ULP * term);
        }
    });
}

#[test]
fn plain_sums_are_near() {
    each(|what, k, x| {
        let sum: f64 = x.iter().map(|x| f64::from(*x)).sum();
        let sizes: f64 = x.iter().map(|x| f64::from(x.abs())).sum();
        // SAFETY: the row has that many elements.
        let got = unsafe { k.sum.unwrap()(x.as_ptr(), x.len() as i64) };
        near(what, got, sum, SUM * sizes);
    });
}

/// In one accumulator a lane, as a compiler vectorises a plain loop, the bound does not hold: neither do the tests
/// here then.
#[test]
fn one_accumulator_a_lane_is_not_near() {
    for width in [4, 8, 16] {
        let x = vec![0.1f32; 262_144];
        let mut lanes = vec![0f32; width];
        for (i, x) in x.iter().enumerate() {
            lanes[i % width] += x;
        }
        let sum: f64 = lanes.iter().map(|x| f64::from(*x)).sum();
        let exact = f64::from(0.1f32) * x.len() as f64;
        assert!((sum - exact).abs() > SUM * exact, "{width} lanes");
    }
}

#[test]
fn softmax_of_long_rows_is_near() {
    each(|what, k, x| {
        let n = x.len() as i64;
        let m = x.iter().copied().fold(f32::MIN, f32::max);
        let terms: Vec<f64> = x.iter().map(|x| f64::from(x - m).exp()).collect();
        let sum: f64 = terms.iter().sum();
        let (mut p, mut again, mut stats) = (x.to_vec(), x.to_vec(), [0f32; 2]);
        let mut dp: Vec<f32> = x.iter().rev().map(|x| x - 0.5).collect();
        let given = dp.clone();
        // SAFETY: one row of `n` elements that sees all of them, and its two statistics.
        unsafe {
            k.causal_softmax.unwrap()(p.as_mut_ptr(), stats.as_mut_ptr(), 1, n, n - 1, 1);
            k.causal_softmax_again.unwrap()(again.as_mut_ptr(), stats.as_ptr(), 1, n, n - 1, 1);
            k.causal_softmax_grad.unwrap()(p.as_ptr(), dp.as_mut_ptr(), 1, n, n - 1, 1, 0.5);
        }
        assert_eq!(stats[0], m, "{what}");
        near(what, stats[1], 1.0 / sum, (SUM + 3.0 * ULP) / sum);
        assert_eq!(p, again, "{what}");
        let (mut dot, mut size) = (0.0, 0.0);
        for (p, dp) in p.iter().zip(&given) {
            dot += f64::from(*p) * f64::from(*dp);
            size += (f64::from(*p) * f64::from(*dp)).abs();
        }
        for i in 0..p.len() {
            near(
                what,
                p[i],
                terms[i] / sum,
                terms[i] / sum * (SUM + 5.0 * ULP),
            );
            let (p, given) = (f64::from(p[i]), f64::from(given[i]));
            let bound = 0.5 * p * (size * (SUM + ULP) + 3.0 * ULP * (given.abs() + dot.abs()));
            near(what, dp[i], 0.5 * p * (given - dot), bound);
        }
    });
}

/// All results of a version for some rows, with a length that is a multiple of no vector.
fn everything(k: &mlxrs_kernels) -> Vec<u32> {
    const ROWS: usize = 7;
    const N: usize = 1339;
    let noise: Vec<f32> = rows(3 * ROWS * N)[2].1.clone();
    let (a, rest) = noise.split_at(ROWS * N);
    let (b, c) = rest.split_at(ROWS * N);
    let mut out = vec![vec![0f32; ROWS * N]; 5];
    let mut few = vec![0f32; 2 * ROWS + 3];
    let n = (ROWS * N) as i64;
    let (rows, d) = (ROWS as i64, N as i64);
    let to: Vec<*mut f32> = out.iter_mut().map(|row| row.as_mut_ptr()).collect();
    let stats = few.as_mut_ptr();
    // SAFETY: every matrix has ROWS rows of N elements, of which a rotation uses 2 * 669; a row that is
    // written is no other argument; the last three numbers are no row's statistics.
    unsafe {
        for (i, traditional) in [(0, false), (1, true)] {
            let (cos, sin) = (b.as_ptr(), c.as_ptr());
            k.rope.unwrap()(
                a.as_ptr(),
                d,
                to[i],
                d,
                cos,
                sin,
                rows,
                669,
                traditional,
                i == 1,
            );
        }
        to[2].copy_from(a.as_ptr(), ROWS * N);
        to[3].copy_from(a.as_ptr(), ROWS * N);
        to[4].copy_from(b.as_ptr(), ROWS * N);
        k.causal_softmax.unwrap()(to[2], stats, rows, d, 1000, 2);
        k.causal_softmax_again.unwrap()(to[3], stats, rows, d, 1000, 2);
        k.causal_softmax_grad.unwrap()(to[2], to[4], rows, d, 1000, 2, 0.3);
        *stats.add(2 * ROWS) = k.max.unwrap()(c.as_ptr(), n);
        *stats.add(2 * ROWS + 1) = k.sum_exp.unwrap()(c.as_ptr(), n, 3.0);
        *stats.add(2 * ROWS + 2) = k.exp_and_sum.unwrap()(to[0], n, 3.0);
        k.scale.unwrap()(to[1], n, 0.7);
    }
    out.concat()
        .into_iter()
        .chain(few)
        .map(f32::to_bits)
        .collect()
}

#[test]
fn every_version_gives_the_same_bits() {
    let expected = everything(versions()[0]);
    let same = |other: &[u32]| expected.iter().zip(other).position(|(a, b)| a != b);
    for version in &versions()[1..] {
        assert_eq!(same(&everything(version)), None, "{}", level(version));
    }
}

#[test]
fn a_version_can_be_forced() {
    const CHILD: &str = "MLX_SYS_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        // SAFETY: null or a version, for as long as the program runs.
        let used = unsafe { mlxrs_kernels_used().as_ref() };
        // SAFETY: no arguments.
        let threads = unsafe { mlxrs_blas_threads() };
        let newest = std::ptr::eq(
            versions()[versions().len() - 1],
            used.map_or(std::ptr::null(), |v| v),
        );
        let used = used.map_or("nothing", level);
        println!("used {used} on {threads} threads, newest: {newest}.");
        return;
    }
    let used = |asked: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "a_version_can_be_forced", "--nocapture"])
            .env(CHILD, "1")
            .env_remove("MLX_SYS_CPU_LEVEL")
            .env("MLX_SYS_CPU_THREADS", "3");
        if let Some(level) = asked {
            command.env("MLX_SYS_CPU_LEVEL", level);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(level(versions()[0]), "default");
    let out = used(None);
    assert!(out.contains("newest: true"), "{out}");
    for (asked, expected) in versions()
        .iter()
        .map(|v| (Some(level(v)), level(v)))
        .chain([(Some(""), "nothing"), (Some("avx2"), "nothing")])
    {
        let out = used(asked);
        let threads = if cfg!(target_os = "linux") && openblas() {
            3
        } else {
            1
        };
        let expected = format!("used {expected} on {threads} threads,");
        assert!(out.contains(&expected), "{asked:?}: {out}");
    }
}

fn openblas() -> bool {
    // SAFETY: the text is static.
    unsafe { CStr::from_ptr(mlxrs_blas_name()) }.to_bytes() != b"system"
}
