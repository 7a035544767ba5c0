//! Operations of one array, of two, and of more.

use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::{ops, random, Array, Dtype, Result};

use super::{run, run_all, INTS};

/// Calls a function with the name and the function of each operation.
macro_rules! each {
    ($call:expr; $($name:ident)*) => {{ $( $call(stringify!($name), &ops::$name); )* }};
}

/// As `each!`, for operations of two arrays, of which some take numbers, too.
macro_rules! each_pair {
    ($call:expr; $($name:ident)*) => {{ $( $call(stringify!($name), &|a, b| ops::$name(a, b)); )* }};
}

/// More arrays than those of the other tests.
fn arrays() -> Vec<Array> {
    let count = ops::arange(0.0, 24.0, 1.0, Dtype::Float32).unwrap();
    let mut all = super::arrays();
    all.push(ops::reshape(&count, &[1, 2, 3, 4]).unwrap());
    all.push(ops::astype(&count, Dtype::Float16).unwrap());
    all
}

#[test]
fn one_array() {
    for a in arrays() {
        let unary = |name: &str, op: &dyn Fn(&Array) -> Result<Array>| run(name, || op(&a));
        each!(unary; abs arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert ceil conjugate cos
            cosh degrees erf erfinv exp expm1 floor imag isfinite isinf isnan isneginf isposinf log
            log10 log1p log2 logical_not negative radians real reciprocal rsqrt sigmoid sign sin sinh
            sqrt square tan tanh trunc stop_gradient copy zeros_like ones_like
            atleast_1d atleast_2d atleast_3d);
        for &d in Dtype::ALL {
            run("astype", || ops::astype(&a, d));
            run("view", || ops::view(&a, d));
        }
        run("clip", || ops::clip(&a, None, None));
        run("nan_to_num", || {
            ops::nan_to_num(&a, f32::NAN, None, Some(1.0))
        });
        run("rms_norm", || fast::rms_norm(&a, None, 0.0));
        run("layer_norm", || fast::layer_norm(&a, None, None, -1.0));
        for &i in &INTS {
            run("round", || ops::round(&a, i));
            run("tril", || ops::tril(&a, i));
            run("triu", || ops::triu(&a, i));
            run("rope", || {
                fast::rope(&a, i, i % 2 == 0, Some(10.0), 1.0, i, None)
            });
            run("categorical", || random::categorical(&a, i, None));
            run("shuffle", || random::shuffle(&a, i, None));
        }
    }
}

type Reduce = dyn Fn(&Array, &[i32], bool) -> Result<Array>;

#[test]
fn one_array_and_axes() {
    let lists: Vec<Vec<i32>> = INTS
        .iter()
        .map(|&i| vec![i])
        .chain([vec![], vec![0, 0], vec![0, 1], vec![-1, 1, 0], vec![0; 20]])
        .collect();
    for a in arrays() {
        for axes in &lists {
            let reduce = |name: &str, op: &Reduce| {
                run(name, || op(&a, axes, true));
                run(name, || op(&a, axes, false));
            };
            each!(reduce; sum mean max min prod all any logsumexp median);
            run("var", || ops::var(&a, axes, false, i32::MAX));
            run("std", || ops::std(&a, axes, true, 1));
            run("softmax", || ops::softmax(&a, axes, true));
            let by = |name: &str, op: &dyn Fn(&Array, &[i32]) -> Result<Array>| {
                run(name, || op(&a, axes))
            };
            each!(by; reshape transpose expand_dims squeeze flip broadcast_to tile);
            run("unflatten", || ops::unflatten(&a, 0, axes));
            run_all("split_at", || ops::split_at(&a, axes, 0));
            run("slice", || ops::slice(&a, axes, axes, axes));
            let ones = vec![1; axes.len()];
            run("slice", || ops::slice(&a, axes, &ones, &ones));
            run("slice", || ops::slice(&a, &ones, axes, &ones));
            run("slice", || ops::slice(&a, &ones, &ones, axes));
            run("slice_update", || {
                ops::slice_update(&a, &a, axes, axes, &ones)
            });
            run("tensordot", || ops::tensordot(&a, &a, axes, axes));
            for &d in &[Dtype::Float32, Dtype::Bool, Dtype::Complex64] {
                run("zeros", || ops::zeros(axes, d));
                run("full", || ops::full(axes, &a, d));
                run("normal", || random::normal(axes, d, 0.0, 1.0, None));
                run("uniform", || random::uniform(&a, &a, axes, d, None));
                run("randint", || random::randint(&a, &a, axes, d, None));
            }
            run("bernoulli", || random::bernoulli(&a, axes, None));
            let pads: Vec<_> = axes.iter().map(|&i| (i, 1)).collect();
            run("pad", || ops::pad(&a, &pads, &a));
        }
    }
}

#[test]
fn one_array_and_numbers() {
    for a in arrays() {
        for &i in &INTS {
            let along =
                |name: &str, op: &dyn Fn(&Array, i32) -> Result<Array>| run(name, || op(&a, i));
            each!(along; sort argsort diag);
            run_all("unstack", || ops::unstack(&a, i));
            let arg = |name: &str, op: &dyn Fn(&Array, i32, bool) -> Result<Array>| {
                run(name, || op(&a, i, true))
            };
            each!(arg; argmax argmin);
            let scan = |name: &str, op: &dyn Fn(&Array, i32, bool, bool) -> Result<Array>| {
                run(name, || op(&a, i, true, false));
            };
            each!(scan; cumsum cumprod cummax cummin logcumsumexp);
            run_all("split", || ops::split(&a, i.min(1000), 0));
            run_all("split", || ops::split(&a, 2, i));
            for &j in &INTS {
                let two = |name: &str, op: &dyn Fn(&Array, i32, i32) -> Result<Array>| {
                    run(name, || op(&a, i, j))
                };
                each!(two; swapaxes moveaxis flatten partition argpartition topk roll);
                // A billion times is no mistake.
                run("repeat", || ops::repeat(&a, i.min(100), j));
                let parts = || ops::quantize(&a, i, j);
                run("quantize", || Ok(parts()?.0));
                run("dequantize", || ops::dequantize(&a, &a, &a, i, j));
                run("quantized_matmul", || {
                    ops::quantized_matmul(&a, &a, &a, &a, true, i, j)
                });
            }
        }
    }
    for &i in &INTS {
        for &j in &INTS {
            run("eye", || ops::eye(i, j, i, Dtype::Float32));
            run("tri", || ops::tri(i, j, j, Dtype::Float32));
        }
        run("linspace", || {
            ops::linspace(0.0, 1.0, i.min(1 << 20), Dtype::Float32)
        });
        run("permutation", || random::permutation(i.min(1 << 20), None));
    }
    for x in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
        for step in [0.0, 1.0, -1.0, f64::NAN, 1e-300] {
            for dtype in [Dtype::Float32, Dtype::Int32, Dtype::Bool] {
                run("arange", || ops::arange(x, 4.0, step, dtype));
            }
        }
    }
}

#[test]
fn empty_arrays_where_kernels_divide_or_read() {
    let x = ops::zeros(&[2, 0], Dtype::Float32).unwrap();
    let w = ops::zeros(&[0], Dtype::Float32).unwrap();
    for y in [
        fast::rms_norm(&x, None, 1e-5),
        fast::rms_norm(&x, Some(&w), 1e-5),
        fast::layer_norm(&x, Some(&w), Some(&w), 1e-5),
    ] {
        let y = y.unwrap();
        y.eval().unwrap();
        assert_eq!(y.shape(), [2, 0]);
    }
    let three = ops::zeros(&[3], Dtype::Float32).unwrap();
    assert!(fast::rms_norm(&x, Some(&three), 1e-5).is_err());
    let (a, b) = (ops::zeros(&[0, 3], Dtype::Float32), three);
    let b = ops::reshape(&b, &[3, 1]).unwrap();
    let y = ops::addmm(&Array::scalar(1f32).unwrap(), &a.unwrap(), &b, 1.0, 1.0).unwrap();
    y.eval().unwrap();
    assert_eq!(y.shape(), [0, 1]);
    assert!(ops::pad(&x, &[(0, 0), (1, 1)], &w).is_err());
}

#[test]
fn two_arrays_and_more() {
    let all = arrays();
    for a in &all {
        for b in &all {
            let binary =
                |name: &str, op: &dyn Fn(&Array, &Array) -> Result<Array>| run(name, || op(a, b));
            each_pair!(binary; add arctan2 bitwise_and bitwise_or bitwise_xor divide equal floor_divide greater
                greater_equal left_shift less less_equal logaddexp logical_and logical_or logical_xor
                multiply not_equal remainder right_shift subtract maximum minimum power matmul inner outer kron);
            run("array_equal", || ops::array_equal(a, b, true));
            run_all("broadcast_arrays", || ops::broadcast_arrays(&[a, b]));
            for i in [-1, 0, 1, 3] {
                run("vecdot", || ops::vecdot(a, b, i));
                run("conv1d", || ops::conv1d(a, b, i, 1, 1, 1));
                run("conv1d", || ops::conv1d(a, b, 1, i, i, i));
                run("conv2d", || ops::conv2d(a, b, (1, i), (i, 1), (1, 1), 1));
                run("conv2d", || ops::conv2d(a, b, (1, 1), (0, 0), (i, 1), i));
            }
            run("isclose", || ops::isclose(a, b, f64::NAN, -1.0, false));
            run("cross_entropy", || fast::cross_entropy(a, b));
            run("einsum", || ops::einsum("ij,jk->ik", &[a, b]));
            run("rms_norm", || fast::rms_norm(a, Some(b), 1e-5));
            run("layer_norm", || fast::layer_norm(a, Some(b), Some(b), 1e-5));
            run("rope", || fast::rope(a, 2, true, None, 1.0, 0, Some(b)));
            for axis in [-1, 0, 1, 7] {
                run("take", || ops::take(a, b, axis));
                run("take_along_axis", || ops::take_along_axis(a, b, axis));
                run("put_along_axis", || ops::put_along_axis(a, b, a, axis));
                run("scatter_add_axis", || ops::scatter_add_axis(a, b, a, axis));
                run("concatenate", || ops::concatenate(&[a, b, a], axis));
                run("stack", || ops::stack(&[a, b], axis));
            }
            for c in &all {
                run("where_", || ops::where_(a, b, c));
                run("addmm", || ops::addmm(a, b, c, 1.0, 1.0));
                run("gather_mm", || ops::gather_mm(a, b, Some(c), None, false));
                run("gather_mm", || ops::gather_mm(a, b, None, Some(c), true));
                let sdpa = |m| fast::scaled_dot_product_attention(a, b, c, 1.0, m, None);
                run("sdpa", || sdpa(Mask::Causal));
                run("sdpa", || sdpa(Mask::Array(a)));
            }
        }
    }
    run("concatenate", || ops::concatenate(&[], 0));
    run("stack", || ops::stack(&[], 0));
    for text in [
        "", "->", "ij", "i->ij", "ii->i", "\0", "é,é->", "i,j,k->", "...i->i",
    ] {
        run("einsum", || ops::einsum(text, &[&all[7]]));
        run("einsum", || ops::einsum(text, &[]));
    }
}
