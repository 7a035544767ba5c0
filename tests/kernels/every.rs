//! The kernels that the generator wrote, one for each operation and random ones, against the same composed of MLX's
//! operations: values and gradients, half types, NaN and infinity.

#![forbid(unsafe_code)]

mod check;
mod generated;

use mlx_runtime::device::Device;
use mlx_runtime::stream::{self, Stream};
use mlx_runtime::{kernels, ops, Array, Dtype, Result};

use check::{differences, normal, numbers};
use generated::CASES;

/// A kernel with its arguments.
pub struct Case {
    name: &'static str,
    call: fn(&[Array]) -> Result<Vec<Array>>,
    arguments: &'static [(&'static [&'static str], &'static str)],
    sizes: &'static [(&'static str, i32)],
}

impl Case {
    fn shape(&self, i: usize) -> Vec<i32> {
        let size = |d: &&str| {
            let known = self.sizes.iter().find(|s| s.0 == *d).map(|s| s.1);
            known.or_else(|| d.parse().ok()).unwrap()
        };
        self.arguments[i].0.iter().map(size).collect()
    }

    fn inputs(&self, dtype: Dtype) -> Vec<Array> {
        let all = self.arguments.iter().enumerate();
        all.map(|(i, (_, class))| match *class {
            "i32" => {
                let n: i32 = self.shape(i).iter().product();
                let x: Vec<i32> = (0..n).map(|j| j * 7 % 2).collect();
                Array::from_slice(&x, &self.shape(i)).unwrap()
            }
            "f32" => normal(&self.shape(i), 40 + i as u64, Dtype::Float32),
            "u32" => {
                let n: u32 = self.shape(i).iter().product::<i32>() as u32;
                let x: Vec<u32> = (0..n).map(|j| j * 7 + 3).collect();
                Array::from_slice(&x, &self.shape(i)).unwrap()
            }
            _ => normal(&self.shape(i), 40 + i as u64, dtype),
        })
        .collect()
    }
}

#[test]
fn values_and_gradients_are_those_of_mlx() {
    let each = |c: &Case| differences(c.name, c.call, &c.inputs(Dtype::Float32), 1e-5, 2e-4);
    let found: Vec<String> = CASES.iter().flat_map(each).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn half_types_are_rounded_once() {
    let mut found = Vec::new();
    for case in CASES.iter().filter(|c| c.name.starts_with("each")) {
        for dtype in [Dtype::Float16, Dtype::Bfloat16] {
            // The kernel in float32, rounded, is the kernel in the half type.
            let x = case.inputs(dtype);
            let wide = |a: &Array| match a.dtype() == dtype {
                true => ops::astype(a, Dtype::Float32).unwrap(),
                false => a.clone(),
            };
            let (half, whole) = (
                (case.call)(&x).unwrap(),
                (case.call)(&x.iter().map(wide).collect::<Vec<_>>()).unwrap(),
            );
            for (a, b) in half.iter().zip(&whole) {
                found.extend(unlike(
                    case.name,
                    a,
                    &ops::astype(b, a.dtype()).unwrap(),
                    0.0,
                ));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn nan_and_infinity_are_those_of_mlx() {
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        1e30,
        -1e30,
        1e-30,
    ];
    let mut wrong = Vec::new();
    for case in CASES.iter().filter(|c| c.name.starts_with("each")) {
        let x: Vec<Array> = case
            .inputs(Dtype::Float32)
            .iter()
            .map(|a| match a.dtype() {
                Dtype::Float32 => {
                    let mut x = a.to_vec::<f32>().unwrap();
                    for (i, v) in x.iter_mut().enumerate() {
                        if i % 3 == 1 {
                            *v = odd[i / 3 % odd.len()];
                        }
                    }
                    Array::from_slice(&x, a.shape()).unwrap()
                }
                _ => a.clone(),
            })
            .collect();
        let found = (case.call)(&x).unwrap();
        // On the CPU: MLX's CUDA backend makes an infinity of the `logsumexp` of a row with both.
        let cpu = Stream::default_on(Device::cpu()).unwrap();
        let composed = || kernels::without(|| (case.call)(&x));
        let want = stream::with(&cpu, composed).unwrap();
        for (a, b) in found.iter().zip(&want) {
            wrong.extend(unlike(case.name, a, b, 1e-5));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first element that is not within `most` of the other's size, or not the same NaN or infinity.
fn unlike(name: &str, a: &Array, b: &Array, most: f32) -> Option<String> {
    assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name}");
    let (a, b) = (numbers(a), numbers(b));
    let mut each = a.iter().zip(&b).enumerate();
    let close = |x: f32, y: f32| {
        x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= most * y.abs().max(1e-3)
    };
    let (i, (x, y)) = each.find(|(_, (x, y))| !close(**x, **y))?;
    Some(format!("{name}: element {i} is {x}, MLX gives {y}"))
}
