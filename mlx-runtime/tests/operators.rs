//! Operators with numbers on either side, and indices, beside MLX's Python.
//!
//! `data/operators.safetensors` was written by `data/dump_operators.py`.

#![allow(clippy::reversed_empty_ranges)] // what Python makes of them is compared

use std::collections::{HashMap, HashSet};
use std::path::Path;

use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::{io, ops, s, transforms, Array, Complex32, Dtype, ErrorKind, Result};

struct Dump {
    arrays: HashMap<String, Array>,
    errors: HashSet<String>,
    seen: HashSet<String>,
}

fn dump() -> Dump {
    // At run time first: the test may run on another machine than the one that built it.
    let package = std::env::var("CARGO_MANIFEST_DIR");
    let package = package.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"));
    let path = Path::new(package).join("tests/data/operators.safetensors");
    let (arrays, metadata) = io::load_safetensors(path).unwrap();
    let errors: Vec<String> = serde_json::from_str(&metadata["errors"]).unwrap();
    Dump {
        arrays,
        errors: errors.into_iter().collect(),
        seen: HashSet::new(),
    }
}

fn on_gpu() -> bool {
    default_device().unwrap().kind() == DeviceType::Gpu
}

impl Dump {
    fn same(&mut self, name: &str, ours: Result<Array>) {
        let Some(theirs) = self.arrays.get(name) else {
            assert!(self.errors.contains(name), "the dump has no {name}");
            assert!(ours.is_err(), "{name}: {ours:?} instead of an error");
            self.seen.insert(name.to_owned());
            return;
        };
        self.seen.insert(name.to_owned());
        if on_gpu() && name.starts_with("bool ") && theirs.dtype() == Dtype::Complex64 {
            println!("on a GPU, bool beside complex: not compared, MLX's CUDA backend makes 1 + 1i of true");
            return;
        }
        let ours = ours.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(ours.dtype(), theirs.dtype(), "{name}");
        assert_eq!(ours.shape(), theirs.shape(), "{name}");
        if ours.dtype() == Dtype::Complex64 && on_gpu() {
            // Quotients of a GPU are off in the last bits, and have other infinities if a part is zero.
            let (a, b) = (ours.to_vec::<Complex32>(), theirs.to_vec::<Complex32>());
            let near = |(a, b): (&Complex32, &Complex32)| {
                !b.is_finite() || (a - b).l1_norm() <= 1e-5 * (1.0 + b.l1_norm())
            };
            let (a, b) = (a.unwrap(), b.unwrap());
            assert!(a.iter().zip(&b).all(near), "{name}: {a:?} instead of {b:?}");
            return;
        }
        if ours.dtype() == Dtype::Complex64 {
            // A number with a NaN part is equal to nothing.
            let text = |a: &Array| format!("{:?}", a.to_vec::<Complex32>().unwrap());
            assert_eq!(text(&ours), text(theirs), "{name}");
            return;
        }
        let same = ops::array_equal(&ours, theirs, true).unwrap();
        assert!(same.item::<bool>().unwrap(), "{name}");
    }
}

#[test]
fn numbers_take_the_dtype_that_python_gives_them() {
    let mut dump = dump();
    let i = Complex32::new(0.0, 1.0);
    for &dtype in Dtype::ALL {
        let Some(x) = dump.arrays.get(&format!("in/{dtype}")).cloned() else {
            continue;
        };
        macro_rules! compare {
            ($($text:expr, $e:expr;)*) => {$(
                dump.same(&format!("{dtype} {}", $text), ($e).check());
            )*};
        }
        macro_rules! both {
            ($($op:tt)*) => {$(
                compare! {
                    concat!("x ", stringify!($op), " True"), &x $op true;
                    concat!("x ", stringify!($op), " 3"), &x $op 3;
                    concat!("x ", stringify!($op), " -2"), &x $op -2;
                    concat!("x ", stringify!($op), " 300"), &x $op 300;
                    concat!("x ", stringify!($op), " 2.5"), &x $op 2.5;
                    concat!("x ", stringify!($op), " 1j"), &x $op i;
                }
            )*};
        }
        macro_rules! left {
            ($($op:tt)*) => {$(
                compare! {
                    concat!("True ", stringify!($op), " x"), true $op &x;
                    concat!("3 ", stringify!($op), " x"), 3 $op &x;
                    concat!("-2 ", stringify!($op), " x"), -2 $op &x;
                    concat!("300 ", stringify!($op), " x"), 300 $op &x;
                    concat!("2.5 ", stringify!($op), " x"), 2.5 $op &x;
                    concat!("1j ", stringify!($op), " x"), i $op &x;
                }
            )*};
        }
        both!(+ - * / % & | ^);
        left!(+ - * /);
        compare! {
            "x << True", &x << true;
            "x << 3", &x << 3;
            "x >> True", &x >> true;
            "x >> 3", &x >> 3;
            "-x", -&x;
            "~x", !&x;
        }
    }
    assert!(dump.seen.len() >= 1000, "{}", dump.seen.len());
}

#[test]
fn indices_are_those_of_python() {
    let mut dump = dump();
    let a = dump.arrays["a"].clone();
    macro_rules! cases {
        ($($text:literal => $index:expr;)*) => {$(
            dump.same(concat!("i/", $text), a.index($index));
            dump.same(concat!("u/", $text), a.index_update($index, 7));
        )*};
    }
    cases! {
        "1" => s![1];
        "-1" => s![-1];
        "0, 2" => s![0, 2];
        "-3, -4, -5" => s![-3, -4, -5];
        "1:" => s![1..];
        ":2" => s![..2];
        "::2" => s![..;2];
        "::-1" => s![..;-1];
        "1::2" => s![1..;2];
        "-2:" => s![-2..];
        ":-1" => s![..-1];
        "5:" => s![5..];
        ":-9" => s![..-9];
        "2:1" => s![2..1];
        "-9:9" => s![-9..9];
        "2::-1" => s![2..;-1];
        ":0:-1" => s![..0;-1];
        "-1:-3:-1" => s![-1..-3;-1];
        "9:0:-2" => s![9..0;-2];
        "0:2:-1" => s![0..2;-1];
        "None" => s![None];
        "..." => s![...];
        "..., None" => s![..., None];
        "None, 1:, None, ::2" => s![None, 1.., None, ..;2];
        "..., 1" => s![..., 1];
        "..., ::2" => s![..., ..;2];
        "1, ..., -1" => s![1, ..., -1];
        "1, ..., 1:3, None" => s![1, ..., 1..3, None];
        ":, None, :, 2" => s![.., None, .., 2];
        "0, :, None, 1:4:2" => s![0, .., None, 1..4;2];
        "1:, ::2, None, ..." => s![1.., ..;2, None, ...];
    }
    let rows = Array::from_slice(&[2i32, 0], &[2]).unwrap();
    dump.same("i/rows", a.index(s![&rows]));
    dump.same("i/:, rows", a.index(s![.., &rows]));
    dump.same("i/1:, rows, ::2", a.index(s![1.., &rows, ..;2]));
    dump.same("i/..., rows", a.index(s![..., &rows]));
    dump.same("i/None, rows", a.index(s![None, &rows]));
    let five = ops::arange(0.0, 5.0, 1.0, Dtype::Int32).unwrap();
    dump.same("u/array", a.index_update(s![1.., ..;2, None], &five));
    // Rust has a second kind of range.
    dump.same("i/:2", a.index(s![..=1]));
    dump.same("i/1:", a.index(s![1..=-1]));
    let left: Vec<&String> = dump
        .arrays
        .keys()
        .filter(|n| (n.starts_with("i/") || n.starts_with("u/")) && !dump.seen.contains(*n))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn wrong_indices_are_errors() {
    let a = ops::zeros(&[2, 3], Dtype::Float32).unwrap();
    let rows = Array::from_slice(&[0i32], &[1]).unwrap();
    let shape = |r: Result<Array>, op: &str| {
        let e = r.unwrap_err();
        assert_eq!((e.kind(), e.op()), (ErrorKind::Shape, Some(op)), "{e}");
        assert!(e.to_string().contains("[2, 3]"), "{e}");
    };
    shape(a.index(s![0, 0, 0]), "index");
    shape(a.index(s![2]), "index");
    shape(a.index(s![.., -4]), "index");
    shape(a.index(s![..., 0, ...]), "index");
    shape(a.index(s![.., i32::MIN]), "index");
    shape(a.index_update(s![2], 1.0), "index_update");
    assert!(a.index(s![..;0]).is_err());
    assert!(a.index(s![0, &rows]).is_err());
    assert!(a.index(s![&rows, &rows]).is_err());
    assert!(a.index_update(s![&rows], 1.0).is_err());
    let four = ops::zeros(&[4], Dtype::Float32).unwrap();
    assert!(a.index_update(s![0], &four).is_err());
    // Far ends are cut, as in Python.
    assert_eq!(a.index(s![i32::MIN..i32::MAX]).unwrap().shape(), [2, 3]);
    assert_eq!(a.index(s![..=i32::MAX]).unwrap().shape(), [2, 3]);
    assert_eq!(
        a.index(s![i32::MAX..i32::MIN; i32::MIN]).unwrap().shape(),
        [1, 3]
    );
    assert_eq!(a.index(s![]).unwrap().shape(), [2, 3]);
    let empty = ops::zeros(&[0, 3], Dtype::Float32).unwrap();
    assert_eq!(empty.index(s![..;-1, 1..]).unwrap().shape(), [0, 2]);
}

#[test]
fn expressions_need_no_question_mark() -> Result<()> {
    let a = Array::from_slice(&[1f32, 2.0], &[2])?;
    let b = Array::from_slice(&[3f32, 5.0], &[2])?;
    // A result on either side of an array, an array of its own, numbers on either side.
    let y = (&a + &b) * &a - 2.0 * &b - &a;
    assert_eq!(y.to_vec::<f32>()?, [-3.0, 2.0]);
    let y = 1.0 - &a + &b * &b + a.clone() + &a / &b;
    let expected = [
        1.0 - 1.0 + 9.0 + 1.0 + 1.0 / 3.0,
        1.0 - 2.0 + 25.0 + 2.0 + 2.0 / 5.0,
    ];
    for (y, e) in y.to_vec::<f32>()?.into_iter().zip(expected) {
        assert!((y - e).abs() < 1e-5);
    }
    assert_eq!((1.0 - &a * &b).to_vec::<f32>()?, [-2.0, -9.0]);
    assert_eq!((ops::square(&a)? * 2.0 + 1.0).to_vec::<f32>()?, [3.0, 9.0]);
    assert_eq!((ops::square(&a) + &b).to_vec::<f32>()?, [4.0, 9.0]);
    assert_eq!((&a + ops::square(&b)).to_vec::<f32>()?, [10.0, 27.0]);
    assert_eq!((-a.clone()).to_vec::<f32>()?, [-1.0, -2.0]);
    assert_eq!((1.0 / a.clone()).to_vec::<f32>()?, [1.0, 0.5]);
    assert!(a.less(&b)?.all(&[], false)?.item::<bool>()?);
    assert_eq!(a.greater_equal(2)?.to_vec::<bool>()?, [false, true]);
    assert_eq!(a.power(2.0)?.to_vec::<f32>()?, a.square()?.to_vec::<f32>()?);
    assert_eq!(a.maximum(&a + 0.5)?.to_vec::<f32>()?, [1.5, 2.5]);
    let t = a.reshape(&[1, 2])?.t()?;
    assert_eq!(t.matmul(&b.reshape(&[1, 2])?)?.shape(), [2, 2]);
    Ok(())
}

/// The dtypes and values are those of `mx.where`, `mx.less` and so on with the same numbers.
#[test]
fn functions_of_two_arrays_take_numbers() -> Result<()> {
    let c = Array::from_slice(&[true, false], &[2])?;
    let b = ops::astype(&Array::from_slice(&[1f32, 2.0], &[2])?, Dtype::Bfloat16)?;
    let (i, u) = (
        Array::from_slice(&[1i32, 2], &[2])?,
        Array::from_slice(&[1u8, 2], &[2])?,
    );
    for (found, dtype, values) in [
        (ops::where_(&c, 1.0, 0)?, Dtype::Float32, [1.0, 0.0]),
        (ops::where_(&c, 1, 0)?, Dtype::Int32, [1.0, 0.0]),
        (ops::where_(&c, true, false)?, Dtype::Bool, [1.0, 0.0]),
        (ops::where_(&c, &b, 0.0)?, Dtype::Bfloat16, [1.0, 0.0]),
        (ops::where_(&c, 0.0, &b)?, Dtype::Bfloat16, [0.0, 2.0]),
        (ops::where_(&c, &i, 0.5)?, Dtype::Float32, [1.0, 0.5]),
        (ops::where_(&c, 2, &u)?, Dtype::Uint8, [2.0, 2.0]),
        (ops::where_(&c, true, &u)?, Dtype::Uint8, [1.0, 2.0]),
        (ops::equal(&u, 2)?, Dtype::Bool, [0.0, 1.0]),
        (ops::less(&b, 1.5)?, Dtype::Bool, [1.0, 0.0]),
        (
            ops::isclose(&b, 2, 1e-5, 1e-8, false)?,
            Dtype::Bool,
            [0.0, 1.0],
        ),
        (ops::floor_divide(&u, 2)?, Dtype::Uint8, [0.0, 1.0]),
        (ops::remainder(&b, 2)?, Dtype::Bfloat16, [1.0, 0.0]),
        (ops::divmod(&i, 2)?.0, Dtype::Int32, [0.0, 1.0]),
        (ops::divmod(&i, 0)?.1, Dtype::Int32, [0.0, 0.0]),
    ] {
        assert_eq!(found.dtype(), dtype);
        let found = ops::astype(&found, Dtype::Float32)?.to_vec::<f32>()?;
        assert_eq!(found, values);
    }
    let error = ops::where_(&c, &u, 300).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dtype, "{error}");
    is_first(ops::where_(&c, 1.0, failed()));
    is_first(ops::less(&failed(), 1));
    Ok(())
}

/// `add` of shapes that do not fit.
fn failed() -> Array {
    let a = Array::from_slice(&[1f32, 2.0], &[2]).unwrap();
    let b = Array::from_slice(&[1f32; 3], &[3]).unwrap();
    &a + &b
}

#[track_caller]
fn is_first<T: std::fmt::Debug>(result: Result<T>) {
    let e = result.unwrap_err();
    assert_eq!((e.op(), e.kind()), (Some("add"), ErrorKind::Shape), "{e}");
    let first = failed().check().unwrap_err();
    assert_eq!(e.to_string(), first.to_string());
    assert!(e.to_string().contains("float32[2], float32[3]"), "{e}");
}

#[test]
fn the_first_error_of_an_expression_comes_out_wherever_it_is_used() {
    let (bad, a) = (&failed(), &ops::ones(&[2], Dtype::Float32).unwrap());
    is_first(bad.clone().check());
    // Operators carry it on, and the left one goes first.
    is_first((1.0 - bad * a + 2).check());
    is_first((-(a / bad)).check());
    is_first((bad % ops::reshape(a, &[7])).check());
    is_first((!(bad & a | a ^ bad) << 1 >> a).check());
    is_first((ops::reshape(a, &[2]) + bad).check());
    // Reading.
    is_first(bad.eval());
    is_first(bad.item::<f32>());
    is_first(bad.to_vec::<f32>());
    is_first(bad.as_slice::<f32>());
    is_first(transforms::eval(&[a, bad]));
    is_first(transforms::async_eval(&[bad]));
    is_first(bad.dim(0));
    assert!(bad.to_string().contains("add: "), "{bad}");
    assert!(format!("{bad:?}").contains("add: "), "{bad:?}");
    // Functions, methods, indices, files.
    is_first(ops::exp(bad));
    is_first(bad.maximum(0.0));
    is_first(a.maximum(bad));
    is_first(ops::concatenate(&[a, bad], 0));
    is_first(ops::split(bad, 2, 0));
    is_first(bad.index(s![0, 1..]));
    is_first(a.index_update(s![0], bad));
    let folder = tempfile::tempdir().unwrap();
    let all = [("a".to_owned(), bad.clone())];
    is_first(io::save_safetensors(
        folder.path().join("a"),
        &all,
        &HashMap::new(),
    ));
    is_first(io::save_npy(folder.path().join("b"), bad));
    // Transforms: an input, and what a function returns.
    let sum = |x: &[Array]| Ok(vec![ops::sum(&x[0], &[], false)?]);
    is_first(transforms::value_and_grad(sum, &[0]).call(std::slice::from_ref(bad)));
    let inner = |x: &[Array]| Ok(vec![&x[0] * (&x[0] + ops::ones(&[3], Dtype::Float32)?)]);
    let e = transforms::value_and_grad(inner, &[0])
        .call(std::slice::from_ref(a))
        .unwrap_err();
    assert_eq!((e.op(), e.kind()), (Some("add"), ErrorKind::Shape), "{e}");
    let e = transforms::compile(inner, false)
        .call(std::slice::from_ref(a))
        .unwrap_err();
    assert_eq!((e.op(), e.kind()), (Some("add"), ErrorKind::Shape), "{e}");
    // Another thread.
    let moved = bad.clone();
    is_first(
        std::thread::spawn(move || moved.to_vec::<f32>())
            .join()
            .unwrap(),
    );
    // The array that it was made of is as it was.
    assert_eq!((a * 2.0).to_vec::<f32>().unwrap(), [2.0, 2.0]);
}
