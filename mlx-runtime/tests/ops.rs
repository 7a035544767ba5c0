//! Every operation against MLX's Python: values, shapes and dtypes.
//!
//! `data/ops.safetensors` was written by `data/dump_ops.py`; the two files name the same cases.

use std::collections::{BTreeSet, HashMap};

use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::{io, ops, Array, Dtype, Result};

struct Dump {
    arrays: HashMap<String, Array>,
    seen: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Dump {
    fn input(&self, name: &str) -> Array {
        self.arrays[&format!("in/{name}")].clone()
    }

    fn check(&mut self, name: &str, got: Result<Array>) {
        let expected = &self.arrays[name];
        if let Err(why) = got
            .map_err(|e| e.to_string())
            .and_then(|g| same(&g, expected))
        {
            self.wrong.push(format!("{name}: {why}"));
        }
        self.seen.insert(name.to_owned());
    }

    fn check_all(&mut self, name: &str, got: Result<Vec<Array>>) {
        let got = got.unwrap();
        assert!(!self.arrays.contains_key(&format!("{name}/{}", got.len())));
        for (i, g) in got.into_iter().enumerate() {
            self.check(&format!("{name}/{i}"), Ok(g));
        }
    }
}

fn same(got: &Array, expected: &Array) -> std::result::Result<(), String> {
    if (got.shape(), got.dtype()) != (expected.shape(), expected.dtype()) {
        return Err(format!("{got:?} instead of {expected:?}"));
    }
    let tolerance = match got.dtype() {
        Dtype::Float32 => 2e-6,
        Dtype::Float16 => 2e-3,
        Dtype::Bfloat16 => 1e-2,
        _ => 0.0,
    };
    let values = |a: &Array| {
        let wide = ops::astype(a, Dtype::Float64).and_then(|a| a.to_vec::<f64>());
        wide.map_err(|e| e.to_string())
    };
    for (g, e) in values(got)?.into_iter().zip(values(expected)?) {
        let equal =
            g == e || g.is_nan() && e.is_nan() || (g - e).abs() <= tolerance * (1.0 + e.abs());
        if !equal {
            return Err(format!("{g} instead of {e}"));
        }
    }
    Ok(())
}

type Unary = fn(&Array) -> Result<Array>;
type Binary = fn(&Array, &Array) -> Result<Array>;
type Reduce = fn(&Array, &[i32], bool) -> Result<Array>;
type Scan = fn(&Array, i32, bool, bool) -> Result<Array>;

macro_rules! named {
    // Some operations of two arrays take a number as well.
    (Binary: $($name:ident)*) => {
        &[$((stringify!($name), (|a: &Array, b: &Array| ops::$name(a, b)) as Binary),)*]
    };
    ($t:ty: $($name:ident)*) => { &[$((stringify!($name), ops::$name as $t),)*] };
}

const UNARY: &[(&str, Unary)] = named!(Unary: abs arccos arcsin arcsinh arctan arctanh ceil cos cosh
    degrees erf erfinv exp expm1 floor isfinite isinf isnan isneginf isposinf log log10 log1p log2
    logical_not negative radians reciprocal rsqrt sigmoid sign sin sinh sqrt square stop_gradient tan
    tanh zeros_like ones_like);
const BINARY: &[(&str, Binary)] = named!(Binary: add arctan2 divide equal floor_divide greater
    greater_equal less less_equal logaddexp logical_and logical_or maximum minimum multiply not_equal
    power remainder subtract);
const REDUCE: &[(&str, Reduce)] =
    named!(Reduce: sum mean max min prod all any logsumexp count_nonzero);
const SCAN: &[(&str, Scan)] = named!(Scan: cumsum cumprod cummax cummin logcumsumexp);

fn elementwise(d: &mut Dump) {
    for (name, op) in UNARY {
        for case in ["a", "scalar", "half", "bf", "int", "odd", "empty"] {
            let got = op(&d.input(case));
            d.check(&format!("{name}/{case}"), got);
        }
    }
    let pairs = [
        "a:b",
        "a:row",
        "scalar:a",
        "half:bf",
        "bf:a",
        "int:a",
        "int:small",
        "a:odd",
        "flag:flag",
        "empty:row",
        "int:int",
    ];
    for (name, op) in BINARY {
        for case in pairs {
            let no_bool = ["subtract", "remainder", "floor_divide", "power"];
            if case == "flag:flag" && no_bool.contains(name) {
                continue;
            }
            if case == "int:small" && ["remainder", "floor_divide"].contains(name) {
                continue;
            }
            let (x, y) = case.split_once(':').unwrap();
            let got = op(&d.input(x), &d.input(y));
            d.check(&format!("{name}/{case}"), got);
        }
    }
}

fn reductions(d: &mut Dump) {
    let cube = d.input("cube");
    for (name, op) in REDUCE {
        for (keep, text) in [(false, "False"), (true, "True")] {
            d.check(&format!("{name}/cube::{text}"), op(&cube, &[], keep));
            d.check(&format!("{name}/cube:1:{text}"), op(&cube, &[1], keep));
            d.check(
                &format!("{name}/cube:0,-1:{text}"),
                op(&cube, &[0, -1], keep),
            );
        }
        let got = op(&d.input("int"), &[0], false);
        d.check(&format!("{name}/int:0:False"), got);
    }
    d.check("var/cube:1", ops::var(&cube, &[1], false, 1));
    d.check("var/cube:", ops::var(&cube, &[], false, 0));
    d.check("std/cube:1", ops::std(&cube, &[1], false, 1));
    d.check("std/cube:", ops::std(&cube, &[], false, 0));
    d.check("argmax/cube:-1:False", ops::argmax(&cube, -1, false));
    d.check("argmax/cube:0:True", ops::argmax(&cube, 0, true));
    d.check("argmin/cube:-1:False", ops::argmin(&cube, -1, false));
    d.check("argmin/cube:0:True", ops::argmin(&cube, 0, true));
    d.check("sort/cube:1", ops::sort(&cube, 1));
    d.check("argsort/cube:1", ops::argsort(&cube, 1));
    for (name, op) in SCAN {
        d.check(
            &format!("{name}/cube:1:False:True"),
            op(&cube, 1, false, true),
        );
        d.check(
            &format!("{name}/cube:-1:True:False"),
            op(&cube, -1, true, false),
        );
    }
    d.check("softmax/cube:-1", ops::softmax(&cube, &[-1], false));
    d.check("softmax/cube:", ops::softmax(&cube, &[], false));
    let got = ops::softmax(&d.input("bf"), &[1], true);
    d.check("softmax/bf:1", got);
    d.check(
        "topk/cube",
        ops::topk(&cube, 2, -1).and_then(|a| ops::sort(&a, -1)),
    );
}

fn choices(d: &mut Dump) {
    let [a, b, row, flag, odd] = ["a", "b", "row", "flag", "odd"].map(|n| d.input(n));
    let plus = |x: f32| ops::add(&a, Array::scalar(x).unwrap()).unwrap();
    d.check("where_/flag", ops::where_(&flag, &a, &row));
    let low = Array::scalar(-0.5f32).unwrap();
    d.check("clip/b", ops::clip(&b, Some(&low), Some(&row)));
    d.check("round/b", ops::round(&b, 1));
    d.check(
        "nan_to_num/odd",
        ops::nan_to_num(&odd, 7.0, Some(8.0), None),
    );
    d.check("astype/b", ops::astype(&b, Dtype::Int32));
    let got = ops::astype(&d.input("bf"), Dtype::Float32);
    d.check("astype/bf", got);
    let got = ops::view(&d.input("int"), Dtype::Uint8);
    d.check("view/int", got);
    d.check("isclose/a", ops::isclose(&a, plus(1e-6), 1e-5, 1e-8, false));
    d.check(
        "allclose/a",
        ops::allclose(&a, plus(0.1), 1e-5, 1e-8, false),
    );
    d.check("array_equal/a", ops::array_equal(&odd, &odd, true));
}

fn shapes(d: &mut Dump) {
    let [cube, a, b, row] = ["cube", "a", "b", "row"].map(|n| d.input(n));
    let scalar = d.input("scalar");
    d.check("reshape/cube", ops::reshape(&cube, &[4, -1]));
    d.check("transpose/cube", ops::transpose(&cube, &[]));
    d.check("transpose/axes", ops::transpose(&cube, &[1, 0, 2]));
    d.check("swapaxes/cube", ops::swapaxes(&cube, 0, -1));
    d.check("moveaxis/cube", ops::moveaxis(&cube, 0, 2));
    let wide = ops::expand_dims(&cube, &[0, -1]).unwrap();
    d.check("expand_dims/cube", Ok(wide.clone()));
    d.check("squeeze/cube", ops::squeeze(&wide, &[]));
    d.check("squeeze/axis", ops::squeeze(&wide, &[0]));
    d.check("flatten/cube", ops::flatten(&cube, 1, -1));
    d.check("unflatten/cube", ops::unflatten(&cube, -1, &[2, -1]));
    d.check("broadcast_to/row", ops::broadcast_to(&row, &[2, 2, 3]));
    let bf = d.input("bf");
    d.check("concatenate/ab", ops::concatenate(&[&a, &b, &bf], 1));
    d.check("stack/ab", ops::stack(&[&a, &b], -1));
    d.check_all("split/cube", ops::split(&cube, 2, -1));
    d.check_all("split_at/cube", ops::split_at(&cube, &[1, 3], 2));
    d.check(
        "slice/cube",
        ops::slice(&cube, &[0, 2, 1], &[2, 0, 9], &[1, -1, 2]),
    );
    let got = ops::slice_update(&cube, &scalar, &[0, 1, 0], &[2, 3, 4], &[1, 1, 2]);
    d.check("slice_update/cube", got);
    let got = ops::take(&cube, &d.input("index"), 1);
    d.check("take/cube", got);
    let got = ops::take(&cube, &d.input("index_u"), 0);
    d.check("take/u", got);
    let along = d.input("along");
    d.check("take_along_axis/b", ops::take_along_axis(&b, &along, 1));
    d.check("put_along_axis/b", ops::put_along_axis(&b, &along, &a, 1));
    d.check("repeat/b", ops::repeat(&b, 2, 1));
    d.check("tile/b", ops::tile(&b, &[2, 1, 2]));
    d.check("pad/b", ops::pad(&b, &[(1, 0), (0, 2)], &scalar));
    d.check("roll/b", ops::roll(&b, 1, 1));
    d.check("flip/b", ops::flip(&b, &[1]));
    let square = d.input("square");
    d.check("tril/square", ops::tril(&square, -1));
    d.check("triu/square", ops::triu(&square, 1));
    let t = ops::transpose(&cube, &[]).unwrap();
    d.check("contiguous/cube", ops::contiguous(&t, false));
    d.check("copy/b", ops::copy(&b));
    d.check("arange/f", ops::arange(1.0, 2.0, 0.25, Dtype::Float32));
    d.check("arange/i", ops::arange(5.0, 0.0, -2.0, Dtype::Int32));
    d.check("linspace/f", ops::linspace(0.0, 1.0, 5, Dtype::Float32));
    d.check("eye/f", ops::eye(3, 4, 1, Dtype::Float32));
    d.check("tri/f", ops::tri(3, 4, 0, Dtype::Float32));
    d.check("zeros/i", ops::zeros(&[2, 0], Dtype::Int32));
    d.check("ones/bf", ops::ones(&[2, 2], Dtype::Bfloat16));
    d.check("full/row", ops::full(&[2, 3], &row, Dtype::Float16));
}

fn products(d: &mut Dump) {
    let [left, right, bias, a, b] = ["left", "right", "bias", "a", "b"].map(|n| d.input(n));
    d.check("matmul/batch", ops::matmul(&left, &right));
    d.check("matmul/vector", ops::matmul(&right, &bias));
    d.check("addmm/bias", ops::addmm(&bias, &left, &right, 2.0, 0.5));
    d.check("inner/a", ops::inner(&a, &b));
    let got = ops::outer(&a, &d.input("row"));
    d.check("outer/a", got);
    d.check("einsum/ij", ops::einsum("ij,kj->ik", &[&a, &b]));
    d.check("tensordot/lr", ops::tensordot(&left, &right, &[2], &[0]));
    let [batches, experts, from, which] =
        ["batches", "experts", "from", "which"].map(|n| d.input(n));
    let got = ops::gather_mm(&batches, &experts, Some(&from), Some(&which), false);
    d.check("gather_mm/experts", got);
    let (w, x) = (d.input("w"), d.input("x"));
    for bits in [4, 8] {
        let (q, s, z) = ops::quantize(&w, 32, bits).unwrap();
        let parts = vec![q.clone(), s.clone(), z.clone()];
        d.check_all(&format!("quantize/{bits}"), Ok(parts));
        d.check(
            &format!("dequantize/{bits}"),
            ops::dequantize(&q, &s, &z, 32, bits),
        );
        let got = ops::quantized_matmul(&x, &q, &s, &z, true, 32, bits);
        d.check(&format!("quantized_matmul/{bits}"), got);
    }
}

fn others(d: &mut Dump) {
    let [a, b, row, cube] = ["a", "b", "row", "cube"].map(|n| d.input(n));
    let ones = |shape: &[i32]| ops::ones(shape, Dtype::Float32).unwrap();
    let got = ops::conv1d(&d.input("batches"), &ones(&[2, 2, 4]), 1, 1, 1, 1);
    d.check("conv1d/batches", got);
    let image = ops::reshape(&d.input("w"), &[1, 8, 16, 4]).unwrap();
    let got = ops::conv2d(&image, &ones(&[2, 3, 3, 2]), (2, 1), (1, 0), (1, 2), 2);
    d.check("conv2d/image", got);
    d.check("atleast_3d/b", ops::atleast_3d(&b));
    d.check("diag/row", ops::diag(&row, 1));
    d.check_all("broadcast_arrays/ar", ops::broadcast_arrays(&[&a, &row]));
    d.check_all("unstack/cube", ops::unstack(&cube, 1));
    d.check("vecdot/ab", ops::vecdot(&a, &b, -1));
}

fn fast_ones(d: &mut Dump) {
    let cube = d.input("cube");
    let weight = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[4]).unwrap();
    d.check("rms_norm/cube", fast::rms_norm(&cube, Some(&weight), 1e-5));
    d.check("rms_norm/none", fast::rms_norm(&cube, None, 1e-5));
    d.check(
        "layer_norm/cube",
        fast::layer_norm(&cube, Some(&weight), None, 1e-5),
    );
    let [q, k, v] = ["q", "k", "v"].map(|n| d.input(n));
    d.check(
        "rope/q",
        fast::rope(&q, 8, false, Some(10000.0), 1.0, 3, None),
    );
    d.check(
        "rope/traditional",
        fast::rope(&q, 6, true, Some(100.0), 0.5, 0, None),
    );
    let freqs = d.input("freqs");
    d.check(
        "rope/freqs",
        fast::rope(&q, 8, false, None, 1.0, 2, Some(&freqs)),
    );
    let [mask, added, sinks] = ["mask", "added", "sinks"].map(|n| d.input(n));
    let sdpa = |mask, sinks| fast::scaled_dot_product_attention(&q, &k, &v, 0.3, mask, sinks);
    d.check("sdpa/none", sdpa(Mask::None, None));
    d.check("sdpa/causal", sdpa(Mask::Causal, None));
    d.check("sdpa/mask", sdpa(Mask::Array(&mask), None));
    d.check("sdpa/added", sdpa(Mask::Array(&added), None));
    d.check("sdpa/sinks", sdpa(Mask::Causal, Some(&sinks)));
    let got = fast::cross_entropy(&d.input("logits"), &d.input("targets"));
    d.check("cross_entropy/logits", got);
}

#[test]
fn operations_agree_with_python() {
    // float64, in which the comparison is made, is the CPU's.
    mlx_runtime::device::set_default_device(mlx_runtime::device::Device::cpu()).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ops.safetensors");
    let (arrays, _) = io::load_safetensors(path).unwrap();
    let mut d = Dump {
        arrays,
        seen: BTreeSet::new(),
        wrong: Vec::new(),
    };
    elementwise(&mut d);
    reductions(&mut d);
    choices(&mut d);
    shapes(&mut d);
    products(&mut d);
    fast_ones(&mut d);
    others(&mut d);
    assert!(d.wrong.is_empty(), "{}", d.wrong.join("\n"));
    let missed: Vec<_> = d
        .arrays
        .keys()
        .filter(|k| !k.starts_with("in/") && !d.seen.contains(*k))
        .collect();
    assert!(missed.is_empty(), "not tested: {missed:?}");
}

#[test]
fn integers_divide_by_everything() {
    let a = Array::from_slice(&[7i32, -7, i32::MIN, 5], &[4]).unwrap();
    let b = Array::from_slice(&[0i32, 2, -1, -2], &[4]).unwrap();
    let q = ops::floor_divide(&a, &b).unwrap();
    assert_eq!(q.to_vec::<i32>().unwrap()[..3], [0, -3, i32::MIN]);
    let r = ops::remainder(&a, &b).unwrap();
    assert_eq!(r.to_vec::<i32>().unwrap()[..3], [0, 1, 0]);
    let u = ops::astype(&b, Dtype::Uint8).unwrap();
    let q = ops::floor_divide(&ops::astype(&a, Dtype::Uint8).unwrap(), &u).unwrap();
    assert_eq!(q.dtype(), Dtype::Uint8);
    assert_eq!(q.to_vec::<u8>().unwrap()[0], 0);
}

#[test]
fn indices_beyond_an_axis_are_clamped() {
    let a = Array::from_slice(&[10i32, 20, 30], &[3]).unwrap();
    for (index, expected) in [
        (2, 30),
        (3, 30),
        (i32::MAX, 30),
        (-1, 30),
        (-3, 10),
        (-4, 10),
        (i32::MIN, 10),
    ] {
        let i = Array::from_slice(&[index], &[1]).unwrap();
        assert_eq!(
            ops::take(&a, &i, 0).unwrap().to_vec::<i32>().unwrap(),
            [expected]
        );
        let got = ops::take_along_axis(&a, &i, 0).unwrap();
        assert_eq!(got.to_vec::<i32>().unwrap(), [expected], "{index}");
        let put = ops::put_along_axis(&a, &i, &i, 0).unwrap();
        assert_eq!(put.to_vec::<i32>().unwrap().len(), 3);
    }
    let u = Array::from_slice(&[u32::MAX], &[1]).unwrap();
    assert_eq!(ops::take(&a, &u, 0).unwrap().to_vec::<i32>().unwrap(), [30]);
    let bytes = Array::from_slice(&[255u8], &[1]).unwrap();
    assert_eq!(
        ops::take(&a, &bytes, 0).unwrap().to_vec::<i32>().unwrap(),
        [30]
    );
    assert!(ops::take(&a, &Array::from_slice(&[1.0f32], &[1]).unwrap(), 0).is_err());
    assert!(ops::take(&ops::zeros(&[0], Dtype::Int32).unwrap(), &u, 0).is_err());
}
