//! Memory that the simulator predicts for one operation of each kind, against MLX's own allocator; and the names by which
//! the simulator knows an operation (`mlx-sys/native/memory/placement.h`), against those that MLX's graphs show.

#![allow(missing_docs)]

use std::collections::BTreeSet;

use mlx_runtime::device::{set_default_device, Device};
use mlx_runtime::low_level::graph::{export_to_dot, NodeNamer};
use mlx_runtime::model::ParamGroups;
use mlx_runtime::{memory, ops, transforms, Array, Complex32, Dtype, Result};

const SIZE: i32 = 1 << 18;

/// The rows of a table: a name, and the operation on a fresh array that nothing else reads and one that stays.
type Row = (&'static str, fn(&Array, &Array) -> Result<Array>);

macro_rules! rows {
    (unary: $($unary:ident)*; binary: $($binary:ident)*; $($name:literal => $f:expr;)*) => {
        &[
            $((stringify!($unary), |x, _| ops::$unary(x)),)*
            $((stringify!($binary), |x, y| ops::$binary(x, y)),)*
            $(($name, $f),)*
        ]
    };
}

/// On float32.
const FLOATS: &[Row] = rows! {
    unary: abs arccos arccosh arcsin arcsinh arctan arctanh ceil cos cosh erf erfinv exp expm1 floor log log10 log1p log2
        logical_not negative rsqrt sigmoid sign sin sinh sqrt square stop_gradient tan tanh;
    binary: add arctan2 divide equal greater greater_equal less less_equal logaddexp logical_and logical_or maximum minimum
        multiply not_equal power remainder subtract;
    "round" => |x, _| ops::round(x, 0);
    "astype" => |x, _| ops::astype(x, Dtype::Int32);
    "nan_equal" => |x, y| ops::array_equal(x, y, true);
    "broadcast_to" => |x, _| ops::broadcast_to(x, &[4, SIZE]);
    "expand_dims" => |x, _| ops::expand_dims(x, &[0]);
    "squeeze" => |x, _| ops::squeeze(&ops::expand_dims(x, &[0])?, &[0]);
    "slice" => |x, _| ops::slice(x, &[5], &[SIZE], &[2]);
    "split" => |x, _| Ok(ops::split(x, 2, 0)?.swap_remove(1));
    "transpose" => |x, _| ops::transpose(&ops::reshape(x, &[512, 512])?, &[1, 0]);
    "copy" => |x, _| ops::copy(x);
    "depends" => |x, y| Ok(transforms::depends(&[x], &[y])?.swap_remove(0));
    "custom" => |x, _| {
        let same = transforms::custom_vjp(|x| Ok(x.to_vec()), |_, by, _| Ok(by.to_vec()));
        Ok(same.call(std::slice::from_ref(x))?.swap_remove(0))
    };
    "parts" => |x, _| {
        let one = std::slice::from_ref(x);
        Ok(ParamGroups::new(one)?.scatter(one)?.swap_remove(0))
    };
};

/// On int32.
const BITS: &[Row] = rows! {
    unary: bitwise_invert;
    binary: bitwise_and bitwise_or bitwise_xor left_shift right_shift;
};

/// On complex64.
const COMPLEX: &[Row] = rows! { unary: conjugate; binary: ; };

/// A name that no function of this crate reaches: MLX makes it for a function that is recorded for any shape.
const UNREACHED: &[&str] = &["BroadcastAxes"];

/// Every name in `placement.h`.
fn known() -> BTreeSet<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../mlx-sys/native/memory/placement.h"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let (mut found, body) = (BTreeSet::new(), text.split("inline const").skip(1));
    for set in body {
        for item in set.split(['{', '}']).nth(2).unwrap().split(',') {
            // `MLXRS_NAME(Abs)`, `named<mlx::core::Log>("Log2")`, `"Parts" /* .. */`.
            let name = match item.split('"').nth(1) {
                Some(name) => name,
                None => item.split(['(', ')']).nth(1).unwrap(),
            };
            found.insert(name.to_string());
        }
    }
    assert!(found.len() > 60, "{found:?}");
    found
}

#[test]
fn each_operation_takes_the_memory_that_was_predicted() {
    set_default_device(Device::cpu()).unwrap();
    let floats: Vec<f32> = (0..SIZE).map(|i| 0.1 + i as f32 / SIZE as f32).collect();
    let floats = Array::from_slice(&floats, &[SIZE]).unwrap();
    let bits = ops::arange(0.0, f64::from(SIZE), 1.0, Dtype::Int32).unwrap();
    let pairs = vec![Complex32::new(0.5, 0.25); SIZE as usize];
    let pairs = Array::from_slice(&pairs, &[SIZE]).unwrap();
    transforms::eval(&[&floats, &bits, &pairs]).unwrap();
    let namer = NodeNamer::new().unwrap();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (rows, like) in [(FLOATS, &floats), (BITS, &bits), (COMPLEX, &pairs)] {
        for (name, f) in rows {
            let fresh = ops::square(like).unwrap();
            let y = f(&fresh, like).unwrap();
            drop(fresh);
            let dot = export_to_dot(&namer, &[&y]).unwrap();
            seen.extend(dot.split('"').skip(1).step_by(2).map(String::from));
            let predicted = memory::forecast(&[&y]).unwrap().peak;
            memory::reset_peak().unwrap();
            let before = memory::active().unwrap();
            y.eval().unwrap();
            let measured = memory::peak().unwrap() - before;
            // The allocator rounds up.
            if predicted.abs_diff(measured) > 1 << 14 {
                wrong.push(format!(
                    "{name}: predicted {predicted}, measured {measured}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut unknown = known();
    unknown.retain(|name| !seen.contains(name));
    assert_eq!(
        unknown.iter().collect::<Vec<_>>(),
        UNREACHED,
        "MLX has {seen:?}"
    );
}
